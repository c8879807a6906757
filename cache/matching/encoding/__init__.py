"""The two models that read prompts, on onnxruntime: the encoder and the verifier."""
