"""Scan one file of a config repository: what it says about Flux, and its markers."""

import re
from collections.abc import Iterator, Sequence
from posixpath import basename

from app.core.flux.image_objects import read_automation, read_policy, read_repository
from app.core.flux.kustomize_objects import read_kustomization, read_kustomize_file, read_source
from app.core.flux.reach import KUSTOMIZE_FILES
from app.core.flux.reading import at, written_at
from app.core.flux.written import ScannedFile
from app.core.manifests.documents import Value, read_documents
from app.core.manifests.markers import find_markers
from app.core.manifests.parsing import UTF_8, Text, Unparsable, decode, searchable
from app.core.manifests.places import Problem
from app.core.manifests.stand_ins import explain_stand_in

__all__ = ["ScannedFile", "is_kustomize_file", "is_manifest", "scan_file"]

_FLUX_OBJECT = re.compile(rb"""apiVersion["']?\s*:\s*["']?(?:image|kustomize|source)\.toolkit\.fluxcd\.io/""")
_IMAGE_VERSIONS = ("v1", "v1beta2", "v1beta1")
_SOURCES = ("GitRepository", "OCIRepository", "Bucket")


def is_manifest(path: str) -> bool:
    """Tell whether Flux looks into a file of this name: *.yaml, *.yml or Kustomization, in this case.

    >>> [name for name in ("a/b.yaml", "b.yml", "c/Kustomization", "b.YAML", "kustomization", "b.json")
    ...     if is_manifest(name)]
    ['a/b.yaml', 'b.yml', 'c/Kustomization']
    """
    return path.endswith((".yaml", ".yml")) or basename(path) == "Kustomization"


def is_kustomize_file(path: str) -> bool:
    """Tell whether kustomize reads a file of this name: all of a path that counts for `scan_file`."""
    return basename(path) in KUSTOMIZE_FILES


def scan_file(path: str, content: bytes) -> ScannedFile:
    """Read one file, whose path counts only by `is_kustomize_file`. Never raises: what is wrong is in the result."""
    stand_in = explain_stand_in(content)
    if stand_in is not None:
        return ScannedFile(problems=(Problem(1, stand_in),))
    markers = find_markers(content)
    is_kustomize = is_kustomize_file(path)
    if not is_kustomize and not _FLUX_OBJECT.search(searchable(content)):
        return ScannedFile(markers=markers)
    try:
        text = decode(content)
        documents = read_documents(text.characters)
    except Unparsable as error:
        what = "a kustomization file" if is_kustomize else "a file with objects of Flux"
        return ScannedFile(markers=markers, problems=(Problem(error.line, f"{what} is not used: {error}"),))
    objects = [one for document in documents for one in _objects(document)]
    found = [(one, *_kind(one)) for one in objects]
    images = [(one, kind) for one, group, version, kind in found if group == "image" and version in _IMAGE_VERSIONS]
    builds = [one for one, group, _, kind in found if group == "kustomize" and kind == "Kustomization"]
    plain = [one for one, group, _, _ in found if not group and isinstance(one, dict)]
    return ScannedFile(
        markers=markers,
        policies=tuple(read_policy(one) for one, kind in images if kind == "ImagePolicy"),
        repositories=tuple(read_repository(one) for one, kind in images if kind == "ImageRepository"),
        automations=tuple(read_automation(one) for one, kind in images if kind == "ImageUpdateAutomation"),
        kustomizations=tuple(read_kustomization(one) for one in builds),
        sources=tuple(read_source(one) for one, group, _, kind in found if group == "source" and kind in _SOURCES),
        kustomize=read_kustomize_file(plain[0]) if is_kustomize and plain else None,
        problems=(*_problems(found), *_problems_of(text, documents)),
    )


def _objects(document: Value) -> Iterator[Value]:
    """A document, or the items where it is a `kind: List`, also of lists."""
    waiting = [document]
    opened: set[int] = set()  # an alias may name the list that it stands in
    while waiting:
        one = waiting.pop()
        items = at(one, "items")
        if written_at(one, "kind").endswith("List") and isinstance(items, list):
            if id(items) not in opened:
                opened.add(id(items))
                waiting.extend(reversed(items))
        else:
            yield one


def _kind(written: Value) -> tuple[str, str, str]:
    """An object's group of Flux's (`image`, `kustomize`, `source`, or empty), version and kind."""
    group, _, version = written_at(written, "apiVersion").partition("/")
    name, _, rest = group.partition(".")
    return (name if rest == "toolkit.fluxcd.io" else ""), version, written_at(written, "kind")


def _problems_of(text: Text, documents: Sequence[Value]) -> Iterator[Problem]:
    # Source: kyaml's ByteReader splits a file by the bytes of "\n---", and reads one document of each piece.
    count = sum(isinstance(one, dict) for one in documents)
    if text.encoding != UTF_8 and count > 1:
        yield Problem(1, f"Flux reads only the first of {count} documents of a file in UTF-16: save it as UTF-8")


def _problems(found: list[tuple[Value, str, str, str]]) -> Iterator[Problem]:
    for _, group, version, kind in found:
        if group == "image" and kind in ("ImagePolicy", "ImageRepository") and version not in _IMAGE_VERSIONS:
            known = ", ".join(_IMAGE_VERSIONS)
            yield Problem(1, f"{kind} of version {version[:80]!r} is not read: known are {known}")
