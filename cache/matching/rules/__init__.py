"""Rules: the facts that a prompt pins, and how two prompts differ in them. Pure."""
