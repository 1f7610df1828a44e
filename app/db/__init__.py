"""What is kept: one file a collection, table and queries together."""
