"""`/admin`: the pages for operators."""
