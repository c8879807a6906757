"""HTTP: bodies, conditions, directives, headers, problems and the shapes on the wire."""
