"""What kustomize itself makes of a folder: asked for where something changes objects that is not followed.

Sources: kustomize-controller adds what the spec of a Kustomization says to the kustomization.yaml of its folder, and
makes one of all manifests where there is none (`fluxcd/pkg/kustomize`); kustomize's `originAnnotations` tell the file
that each object is from.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from posixpath import join, normpath
from typing import TypeAlias

from app.core.kustomize.objects import KubeObject
from app.core.manifests.text.documents import NotText, Value, read_documents
from app.core.manifests.text.parsing import Unparsable, decode
from app.core.manifests.text.values import at, items_at, text_of, written_at

KUSTOMIZE_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""What kustomize calls its own files; of several in one folder the first counts."""

_ORIGIN = "config.kubernetes.io/origin"
_GIVEN = {"targetNamespace": "namespace", "namePrefix": "namePrefix", "nameSuffix": "nameSuffix"}
_LISTS = ("patches", "components", "patchesStrategicMerge", "patchesJson6902")
ADDED = (*_GIVEN, *_LISTS)
"""The parts of a Kustomization's spec that Flux writes into the kustomization.yaml which it builds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A folder to be rendered, and the files of the tree that it needs.

    `top` is its kustomization.yaml, `resources` what Flux lists there where the tree has none; `spec` is what the
    Kustomization adds.
    """

    folder: str
    top: str
    files: frozenset[str]
    resources: tuple[str, ...] = ()
    spec: Value = field(default_factory=dict, hash=False)

    def kustomization(self, content: bytes | None) -> bytes:
        """`top` as Flux has it built, of what the tree has there. Raises Unparsable."""
        own: dict[str, Value] = {"resources": list(self.resources)}
        if content is not None:
            own = kustomization_in(read_documents(decode(content).characters)) or {}
        added: dict[str, Value] = {
            key: written_at(self.spec, given) for given, key in _GIVEN.items() if written_at(self.spec, given)
        }
        for key in _LISTS:
            if items := items_at(self.spec, key):
                added[key] = [*items_at(own, key), *(_as_kustomize_takes(one) for one in items)]
        metadata = [one for one in items_at(own, "buildMetadata") if text_of(one) != "originAnnotations"]
        return as_yaml({**own, **added, "buildMetadata": [*metadata, "originAnnotations"]}).encode()


@dataclass(frozen=True, slots=True)
class Rendered:
    """The objects that are followed as kustomize has them, or why it is not known."""

    objects: tuple[dict[str, Value], ...] = field(default=(), hash=False)
    problem: str | None = None

    def at_home(self, wanted: Wanted) -> Iterator[KubeObject]:
        """The objects, each with the file that it is from; where kustomize does not tell, it is the folder's own."""
        for one in self.objects:
            yield _without_origin(one, wanted)


Render: TypeAlias = Callable[[Wanted], Rendered]


def kustomization_in(documents: Iterable[Value]) -> dict[str, Value] | None:
    """What a kustomization.yaml says: Flux's own Kustomizations may stand in a file of that name, too."""
    plain = (one for one in documents if isinstance(one, dict))
    return next((one for one in plain if ".toolkit.fluxcd.io/" not in written_at(one, "apiVersion")), None)


def resources_among(files: Iterable[str]) -> list[str]:
    """What Flux lists for a folder of these files, relative to it.

    That are folders with a kustomization.yaml of their own as a whole, and all other manifests.
    """
    files = list(files)
    bases: set[str] = set()
    for folder in sorted(file.rpartition("/")[0] for file in files if file.rpartition("/")[2] in KUSTOMIZE_FILES):
        if not any(folder.startswith(f"{base}/") for base in bases):
            bases.add(folder)
    plain = [
        file
        for file in files
        if file.endswith((".yaml", ".yml")) and not any(file.startswith(f"{base}/") for base in bases)
    ]
    return sorted([*bases, *plain])


def as_yaml(value: Value) -> str:
    """A value as YAML that means just that, on one line.

    >>> as_yaml({"a": ["1", NotText("1"), NotText("")], "b: c": {}})
    '{"a": ["1", 1, null], "b: c": {}}'
    """
    match value:
        case str(text):
            return json.dumps(text, ensure_ascii=False)
        case NotText() as other:
            return "null" if other.is_null else other.written
        case list(items):
            return f"[{', '.join(map(as_yaml, items))}]"
        case mapping:
            return f"{{{', '.join(f'{as_yaml(key)}: {as_yaml(one)}' for key, one in mapping.items())}}}"


def _as_kustomize_takes(item: Value) -> Value:
    """A patch of a Kustomization's spec as a kustomization.yaml has it: merged ones and operations are texts there."""
    if not isinstance(item, dict):
        return item
    patch = item.get("patch")
    if isinstance(patch, list):
        return {**item, "patch": as_yaml(patch)}
    return item if patch is not None or "target" in item else as_yaml(item)


def _without_origin(one: dict[str, Value], wanted: Wanted) -> KubeObject:
    metadata = one.get("metadata")
    annotations = at(one, "metadata", "annotations")
    file = wanted.top
    if not isinstance(metadata, dict) or not isinstance(annotations, dict) or _ORIGIN not in annotations:
        return KubeObject.of(one, file)
    origin = _read_origin(text_of(annotations[_ORIGIN]))
    for key in ("path", "configuredIn"):
        if (name := written_at(origin, key)) and (found := normpath(join(wanted.folder, name))) in wanted.files:
            file = found
            break
    left = {key: value for key, value in annotations.items() if key != _ORIGIN}
    kept: dict[str, Value] = {key: value for key, value in metadata.items() if key != "annotations"}
    return KubeObject.of({**one, "metadata": {**kept, **({"annotations": left} if left else {})}}, file)


def _read_origin(text: str) -> Value:
    try:
        documents: Sequence[Value] = read_documents(text)
    except Unparsable:
        return {}
    return documents[0] if documents else {}
