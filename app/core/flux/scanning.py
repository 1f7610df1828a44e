"""Scan one file of a config repository: what it says about Flux, and its markers."""

import re
from collections.abc import Iterator, Sequence
from posixpath import basename

from app.core.flux.image_objects import IMAGE_GROUP, IMAGE_VERSIONS
from app.core.flux.kustomize_objects import read_kustomize_file
from app.core.flux.written import FluxPart, ScannedFile
from app.core.kustomize.generated import VARIABLE
from app.core.kustomize.kinds import FOLLOWED, carried
from app.core.kustomize.patching import is_operations
from app.core.kustomize.rendered import KUSTOMIZE_FILES, kustomization_in
from app.core.manifests.kinds.markers import find_markers
from app.core.manifests.places import Problem
from app.core.manifests.text.documents import NotText, Value, read_documents
from app.core.manifests.text.parsing import UTF_8, Text, Unparsable, decode, searchable
from app.core.manifests.text.stand_ins import explain_stand_in
from app.core.manifests.text.values import at, is_within, written_at

__all__ = ["ScannedFile", "is_kustomize_file", "scan_file"]

_FLUX_OBJECT = re.compile(
    rb"""apiVersion["']?\s*:\s*["']?(?:(?:helm|image|kustomize|source)\.toolkit|source\.extensions)\.fluxcd\.io/"""
)
_CONFIG_MAP = re.compile(rb"""kind["']?\s*:\s*["']?ConfigMap\b""")
_OPERATION = re.compile(rb"""\bop["']?\s*:\s*["']?(?:add|replace|remove|test|move|copy)\b""")
_LONGEST_VARIABLE = 4_096
_MOST_PARTS = 20_000


def is_kustomize_file(path: str) -> bool:
    """Tell whether kustomize reads a file of this name: all of a path that counts for `scan_file`."""
    return basename(path) in KUSTOMIZE_FILES


def scan_file(path: str, content: bytes) -> ScannedFile:
    """Read one file, whose path counts only by `is_kustomize_file`. Never raises: what is wrong is in the result."""
    stand_in = explain_stand_in(content)
    if stand_in is not None:
        return ScannedFile(problems=(Problem(1, stand_in),))
    markers = find_markers(content)
    known = searchable(content)
    is_kustomize, is_of_flux = is_kustomize_file(path), bool(_FLUX_OBJECT.search(known))
    if not (is_kustomize or is_of_flux or _CONFIG_MAP.search(known) or _OPERATION.search(known)):
        return ScannedFile(markers=markers)
    try:
        text = decode(content)
        documents = read_documents(text.characters)
    except Unparsable as error:
        what = "a kustomization file" if is_kustomize else "a file with objects of Flux"
        told = (Problem(error.line, f"{what} is not used: {error}"),) if is_kustomize or is_of_flux else ()
        return ScannedFile(markers=markers, problems=told)
    if not all(is_within(one, _MOST_PARTS) for one in documents):
        what = f"it is not used: with what its aliases stand for it has more than {_MOST_PARTS} parts"
        return ScannedFile(markers=markers, problems=(Problem(1, what),))
    objects = [one for document in documents for one in _objects(document) if isinstance(one, dict)]
    kustomization = kustomization_in(objects) if is_kustomize else None
    part = FluxPart(
        objects=tuple(kept for one in objects if (kept := _followed(one)) is not None),
        operations=tuple(one for one in documents if is_operations(one)),
        kustomize=read_kustomize_file(kustomization) if kustomization is not None else None,
    )
    return ScannedFile(
        markers=markers,
        flux=part,
        problems=tuple(_problems(objects)),
        noticed=tuple(_noticed(text, documents)),
    )


def read_rendered(text: bytes) -> tuple[dict[str, Value], ...]:
    """The objects that are followed in what kustomize prints. Raises Unparsable."""
    telling = (one for one in text.split(b"\n---\n") if _FLUX_OBJECT.search(one) or _CONFIG_MAP.search(one))
    documents = (document for one in telling for document in read_documents(decode(one).characters))
    objects = (one for one in documents if isinstance(one, dict) and is_within(one, _MOST_PARTS))
    return tuple(kept for one in objects if (kept := _followed(one)) is not None)


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


def _followed(one: dict[str, Value]) -> dict[str, Value] | None:
    """An object of a kind that is followed, as far as it is; of a ConfigMap only what may be a variable of Flux."""
    kind = written_at(one, "kind")
    group, slash, version = written_at(one, "apiVersion").rpartition("/")
    is_unknown = group == IMAGE_GROUP and version not in IMAGE_VERSIONS
    if is_unknown or FOLLOWED.get(kind) != (group if slash else ""):
        return None
    if kind != "ConfigMap":
        return carried(one)
    data = at(one, "data")
    variables: dict[str, Value] = {
        key: value
        for key, value in (data.items() if isinstance(data, dict) else ())
        if VARIABLE.fullmatch(key) and _may_be_variable(value)
    }
    kept: dict[str, Value] = {key: one[key] for key in ("apiVersion", "kind", "metadata", "$patch") if key in one}
    return {**kept, "data": variables} if variables or "$patch" in kept else None


def _may_be_variable(value: Value) -> bool:
    """Whether an entry of a ConfigMap is a variable's value, or takes one away where the ConfigMap is a patch."""
    if isinstance(value, NotText):
        return value.is_null
    return isinstance(value, str) and len(value) <= _LONGEST_VARIABLE


def _noticed(text: Text, documents: Sequence[Value]) -> Iterator[Problem]:
    # Source: kyaml's ByteReader splits a file by the bytes of "\n---", and reads one document of each piece.
    count = sum(isinstance(one, dict) for one in documents)
    if text.encoding != UTF_8 and count > 1:
        yield Problem(1, f"Flux reads only the first of {count} documents of a file in UTF-16: save it as UTF-8")


def _problems(objects: list[dict[str, Value]]) -> Iterator[Problem]:
    for one in objects:
        kind, (group, _, version) = written_at(one, "kind"), written_at(one, "apiVersion").partition("/")
        is_image = group == IMAGE_GROUP and kind in ("ImagePolicy", "ImageRepository")
        if is_image and version not in IMAGE_VERSIONS:
            known = ", ".join(IMAGE_VERSIONS)
            yield Problem(1, f"{kind} of version {version[:80]!r} is not read: known are {known}")
