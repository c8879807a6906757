"""Clips made ahead of time: what to make, and the making."""
