"""Who may come in, and how much at a time."""
