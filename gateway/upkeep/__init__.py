"""Upkeep: the periodic background work of a server."""
