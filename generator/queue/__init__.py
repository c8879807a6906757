"""Jobs at rest: the queue, leases, withdrawal, and the dispatch to workers."""
