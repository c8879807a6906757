"""Telemetry: metrics, traces, log lines."""
