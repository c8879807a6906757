"""Matching: from a prompt to a Verdict. Similarity nominates, the judge decides."""
