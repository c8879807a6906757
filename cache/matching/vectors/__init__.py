"""The vector index: a projection of the clips' rows, its snapshot, and how it catches up."""
