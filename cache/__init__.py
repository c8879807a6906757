"""The cache: clips, their storage, and the judge of whether one will do. Knows no HTTP and no diffusion."""
