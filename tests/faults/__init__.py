"""Whole processes under faults: killed, stopped, cut off from disk, database and forge; the truth is read outside."""
