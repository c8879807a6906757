"""How a missing clip gets made. May import cache; knows no HTTP."""
