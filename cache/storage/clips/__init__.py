"""Clips at rest: rows and objects in the safe order, their room, their signatures, the shared pool."""
