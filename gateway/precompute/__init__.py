"""Clips made ahead of time: planning, and running plans."""
