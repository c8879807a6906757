"""Storage: rows in the database and bytes in the object store, written in the safe order."""
