"""Will one do? From a prompt to a Verdict: similarity nominates, a judge decides."""
