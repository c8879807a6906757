"""`/admin`: pages for the people who run it."""
