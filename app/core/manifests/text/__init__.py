"""The text of files: where values stand in it, and new bytes in place of some."""
