"""What is seen from outside: metrics, traces, log lines."""
