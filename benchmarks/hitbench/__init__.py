"""hitbench: pairs of text-to-video prompts, and one command that scores any judge of them."""
