"""Revisions as Flux writes them in events and in the status of its objects."""

import re
from dataclasses import dataclass

_COMMIT = re.compile(r"[0-9a-f]{40}")
_HASHED = re.compile(r"(?:(?P<pointer>.+)@)?(?P<algorithm>[a-z0-9]+):(?P<hash>[0-9a-f]+)", re.DOTALL)
_LEGACY = re.compile(r"(?:(?P<pointer>.+)/)?(?P<hash>[0-9a-f]{40})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Revision:
    """A parsed revision. `pointer` is a branch, tag or whole ref; all is None for a chart's version.

    `algorithm` is `sha1` for Git, `sha256` for an OCI artifact or a bucket.
    """

    pointer: str | None = None
    algorithm: str | None = None
    hash: str | None = None

    @property
    def commit(self) -> str | None:
        """The git commit, where the revision names one in full."""
        is_commit = self.algorithm == "sha1" and self.hash is not None and _COMMIT.fullmatch(self.hash)
        return self.hash if is_commit else None

    @property
    def branch(self) -> str | None:
        """The branch or tag of the commit; the pointer of an artifact (`latest@sha256:…`) is none."""
        return self.pointer.removeprefix("refs/heads/") if self.commit and self.pointer else None


def parse_revision(text: str) -> Revision:
    """Split a revision at its last `@`; before Flux 0.35 it was `branch/<commit>` or `HEAD/<commit>`.

    >>> parse_revision("feature/x@sha1:5394cb7f48332b2de7c17dd8b8384bbc84b7e738").pointer
    'feature/x'
    """
    if hashed := _HASHED.fullmatch(text):
        return Revision(**hashed.groupdict())
    if legacy := _LEGACY.fullmatch(text):
        pointer = None if legacy["pointer"] == "HEAD" else legacy["pointer"]
        return Revision(pointer, "sha1", legacy["hash"])
    return Revision()
