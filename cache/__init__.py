"""What a clip is, where clips are, and whether one will do. Knows no HTTP and no diffusion."""
