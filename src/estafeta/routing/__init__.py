"""Where mail for an address goes, and how addresses are rewritten: pure functions over addresses and tables."""
