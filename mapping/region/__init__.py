"""A GPT on one rectangle of PEs: how its tensors lie there, the program that runs there, what that costs."""
