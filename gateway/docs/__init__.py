"""`/docs` and `/openapi.json`: the API for people and for machines, from one document."""
