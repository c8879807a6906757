"""The scripts that trained the bundled demo model, and the checker that measures it."""
