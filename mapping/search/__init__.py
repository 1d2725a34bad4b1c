"""The best mappings under constraints: many are estimated, the best simulated, in parallel; a search can be resumed."""
