"""Git: the bare mirrors of config repositories, and working directories on this disk."""
