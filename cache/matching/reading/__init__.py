"""The reading of a prompt, for encoder, rules and verifier: what it asks for, in plain words. Never for the exact key or the model."""
