"""How fast and how right, side by side with others. Each file prints its table and says how to run it."""
