"""The door to the database: connections, the driver, group commit, rows to words, the log of changes, notifications."""
