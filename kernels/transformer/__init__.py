"""The pieces of a GPT decode step: one new token against a resident KV cache, computed by PE instructions."""
