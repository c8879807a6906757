"""Requests at rest, with their hits, labels, plans and erasure."""
