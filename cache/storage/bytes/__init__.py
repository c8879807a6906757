"""The object store: the port, a local folder, and S3."""
