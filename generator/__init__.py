"""The generation of missing clips. May import cache; knows no HTTP."""
