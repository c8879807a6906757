"""Donors: whether, and how deep, a render may start from another clip, by measured curves. Pure but for the reading of the tables."""
