"""The types of the API for TypeScript."""
