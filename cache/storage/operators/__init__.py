"""Data for operators: counts, lists, clips in bulk, audits."""
