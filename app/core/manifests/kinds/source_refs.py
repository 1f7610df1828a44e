"""`spec.ref` of Flux's OCIRepository and GitRepository."""

from collections.abc import Iterator
from itertools import takewhile

from app.core.manifests.kinds.declared import DeclaredField, FieldScan, SourceRef
from app.core.manifests.kinds.field_paths import Key
from app.core.manifests.kinds.overriding import REF_KEYS
from app.core.manifests.kinds.yaml_paths import Found, field_of_key, follow, is_object, together
from app.core.manifests.places import Miss, Part, Problem, Refusal
from app.core.manifests.text.nodes import MappingNode
from app.core.manifests.text.yaml_files import YamlFile

_REF = (Key("spec"), Key("ref"))
_PARTS = {"tag": Part.TAG, "semver": Part.VERSION, "digest": Part.DIGEST}


def find_source_ref(file: YamlFile, selector: SourceRef) -> FieldScan:
    """Find tag, semver and digest of a source: those that are there; one that is pinned otherwise is a problem."""
    tops = [one for one in file.objects() if is_object(one, kind=selector.kind, name=selector.name)]
    if not tops:
        return FieldScan(problems=(Miss(1, f"no {selector.kind} named {selector.name} is in the file"),))
    results = [one for top in tops for one in _fields_of(file, selector, top)]
    return FieldScan(
        tuple(one for one in results if isinstance(one, DeclaredField)),
        tuple(one for one in results if isinstance(one, Problem)),
    )


def _fields_of(file: YamlFile, selector: SourceRef, top: MappingNode) -> Iterator[DeclaredField | Problem]:
    (found,) = follow(file, top, _REF)
    if isinstance(found, Problem) and not isinstance(found, Miss):
        yield found
        return
    ref = found.node if isinstance(found, Found) else None
    line = file.line_of(ref or top)
    if not isinstance(ref, MappingNode) or not (ref.find("tag") or ref.find("semver")):
        yield Problem(line, "spec.ref has neither tag nor semver: write one")
        return
    pins = takewhile(lambda key: key not in _PARTS, REF_KEYS[selector.kind])
    pin = next((key for key in pins if ref.find(key)), None)
    if pin is not None:
        yield Refusal(line, f"spec.ref.{pin} is set, which counts before a tag: remove it")
        return
    yield from together(
        one for key, part in _PARTS.items() for one in field_of_key(file, selector, ref, key, part=part, steps=_REF)
    )
