"""The stream engine: a vector that streams between PEs is one object, and its dates are a few steps."""
