"""The fleet at rest: tenants and keys, admin sessions, workers, and the models that they announce."""
