"""The pages: what they say is what the program does."""
