"""Calls to clients when their videos end."""
