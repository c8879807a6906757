"""What HTTP asks of us: bodies, conditions, directives, headers, problems and the shapes on the wire."""
