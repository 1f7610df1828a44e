"""The words of a promotion: titles, bodies, commit messages, trailers."""
