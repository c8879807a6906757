"""The object store: its port and its two adapters, a local folder and S3."""
