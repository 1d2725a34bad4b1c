"""The pieces of a GPT prefill: a whole prompt at once, tokens in turn on y, features split on x."""
