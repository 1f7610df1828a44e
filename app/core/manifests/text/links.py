"""Symbolic links among the manifests of a repository, which are never edited."""

from posixpath import dirname, join, normpath


def leads_outside(path: str, target: str) -> bool:
    """Tell whether a link at a path of the repository leads out of it, by its words alone.

    >>> [leads_outside("apps/web.yaml", target) for target in ("../base.yaml", "../../base.yaml", "/etc/passwd")]
    [False, True, True]
    """
    return target.startswith("/") or _resolved(path, target).split("/", 1)[0] == ".."


def explain_link(path: str, target: str) -> str:
    """Tell why the file at a path of the repository, which is a link to `target` as stored in it, is not edited.

    Flux writes through links, also to files outside of the repository; we edit a file under its own name only.

    >>> explain_link("apps/prod/web.yaml", "../base/web.yaml")
    'a symbolic link to apps/base/web.yaml is not edited, only files under their own names are'
    >>> explain_link("apps/web.yaml", "../../secret.yaml")
    "a symbolic link that leaves the tree ('../../secret.yaml') is neither read nor edited"
    """
    if leads_outside(path, target):
        return f"a symbolic link that leaves the tree ({target[:200]!r}) is neither read nor edited"
    return f"a symbolic link to {_resolved(path, target)[:200]} is not edited, only files under their own names are"


def _resolved(path: str, target: str) -> str:
    return normpath(join(dirname(path), target))
