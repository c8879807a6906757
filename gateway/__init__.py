"""How the outside asks: the HTTP API, the pages and the command line."""
