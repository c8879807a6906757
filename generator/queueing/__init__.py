"""Jobs at rest: the queue, leases, who still wants what, and how workers hear of it."""
