"""A worker: from a lease to a filed clip."""
