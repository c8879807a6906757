"""What all pages share: the colours, the choice of light or dark, the ground rules, the mark."""
