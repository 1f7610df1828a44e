"""A config repository at one commit: its rules, Flux's objects and fields, and how its policies stand."""
