"""The gateway: the HTTP API, the pages and the command line."""
