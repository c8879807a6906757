"""Where things are: rows in the database, bytes in the object store, in the safe order."""
