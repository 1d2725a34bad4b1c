"""Tokens in, tokens out: sessions on one region, exact or sampled, one sequence or many."""
