"""Paths of a repository: which files Flux looks into, and the folders that they lie in."""

from collections.abc import Iterator
from posixpath import basename, normpath


def is_manifest(path: str) -> bool:
    """Tell whether Flux looks into a file of this name: *.yaml, *.yml or Kustomization, in this case.

    >>> [name for name in ("a/b.yaml", "b.yml", "c/Kustomization", "b.YAML", "kustomization", "b.json")
    ...     if is_manifest(name)]
    ['a/b.yaml', 'b.yml', 'c/Kustomization']
    """
    return path.endswith((".yaml", ".yml")) or basename(path) == "Kustomization"


def folder_of(path: str) -> str:
    """A folder as Flux writes it (`./clusters/prod/`), relative to the repository; empty for the repository itself.

    >>> folder_of("./clusters/prod/"), folder_of("./"), folder_of("")
    ('clusters/prod', '', '')
    """
    return normpath(f"/{path}").strip("/")


def is_below(path: str, folder: str) -> bool:
    """Tell whether a path is a folder or lies below it."""
    return not folder or path == folder or path.startswith(f"{folder}/")


def folders_above(path: str) -> Iterator[str]:
    """The folder of a file, the folder of that, and so on to the repository itself (empty)."""
    folder = path
    while folder:
        folder = folder[: max(folder.rfind("/"), 0)]
        yield folder
