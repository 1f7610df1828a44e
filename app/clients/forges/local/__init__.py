"""The local forge: pull requests in a bare repository on this machine."""
