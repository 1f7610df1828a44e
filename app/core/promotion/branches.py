"""The names of our branches: `<prefix>/<base>/<stage>/<group>`."""

import hashlib
import re

_LONGEST = 48
_HASH_LENGTH = 8
_WRITTEN = re.compile(r"[a-z0-9-]+")


def branch_name(*, prefix: str, base: str, stage: str, group: str) -> str:
    """Name the branch of one group of policies in one stage; the same parts always give the same name.

    >>> branch_name(prefix="fluxbridge", base="main", stage="staging", group="all")
    'fluxbridge/main/staging/all'
    >>> branch_name(prefix="fluxbridge", base="release/1.2", stage="staging", group="flux-system/app")
    'fluxbridge/release-1-2-bacdc8a6/staging/flux-system-app-980099a7'
    """
    return "/".join([prefix, written_part(base), written_part(stage), written_part(group)])


def branch_beside(*, prefix: str, base: str, stage: str, group: str, number: int) -> str:
    """Name the branch that a group takes while its own serves a pull request into another base, by that one's number.

    >>> branch_beside(prefix="fluxbridge", base="main", stage="all", group="app", number=7)
    'fluxbridge/main/all/app-beside-7-20bbfda7'
    """
    return branch_name(prefix=prefix, base=base, stage=stage, group=f"{group} beside {number}")


def is_under(prefix: str, branch: str) -> bool:
    """Tell whether a branch carries our prefix."""
    return branch.startswith(f"{prefix}/")


def is_of_base(prefix: str, base: str, branch: str) -> bool:
    """Tell whether a branch is one that we would make for this base branch."""
    return branch.startswith(f"{prefix}/{written_part(base)}/")


def written_part(name: str) -> str:
    """Write a name with `[a-z0-9-]` only; a hash of the true name follows wherever the two differ."""
    if _WRITTEN.fullmatch(name) and len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST].rstrip("-")
    return f"{slug}-{digest}" if slug else digest
