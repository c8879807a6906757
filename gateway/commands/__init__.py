"""What `reprise ...` does: one file for each group of commands."""
