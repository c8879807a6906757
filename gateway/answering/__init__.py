"""The answer to a request: look, judge, submit, and what follows. Knows no HTTP."""
