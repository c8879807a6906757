"""How the shipped verifier and its table were made. No run-time module imports this room."""
