"""The product's knowledge: values in, values out; no I/O, clock, randomness or framework."""
