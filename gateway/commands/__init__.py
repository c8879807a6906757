"""The commands of `reprise …`, one file for each group."""
