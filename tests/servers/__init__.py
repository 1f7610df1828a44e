"""Servers that stand in for what no machine here can run; each passes the contract tests of the real thing."""
