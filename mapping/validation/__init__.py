"""Published cycle counts, and what the simulator says for the same configurations."""
