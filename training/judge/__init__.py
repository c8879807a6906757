"""The making of the shipped verifier and its table. No run-time module imports this room."""
