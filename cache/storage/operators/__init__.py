"""What the people who run it look at: counts, lists, clips in bulk, audits."""
