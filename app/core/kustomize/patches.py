"""Patches as kustomization.yaml files and Flux's Kustomizations name them, each ready to change objects."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from posixpath import dirname, join, normpath

from app.core.kustomize.objects import KubeObject
from app.core.kustomize.patching import is_operations, merged, operated
from app.core.kustomize.selectors import Target
from app.core.manifests.documents import Value, read_documents
from app.core.manifests.parsing import Unparsable
from app.core.manifests.values import at, is_within, items_at, written_at

_MOST_PARTS = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """One document of a patch; without a target it is for the object that it names. `where` tells where it stands."""

    where: str
    document: Value
    target: Target | None
    may_rename: bool = False
    may_change_kind: bool = False

    def change(self, one: KubeObject) -> KubeObject | None:
        """The object after the patch, None where that deletes it; as it is where the patch is for another.

        Raises CannotPatch and InvalidSelector.
        """
        if not (self._names(one) if self.target is None else self.target.fits(one)):
            return one
        if isinstance(self.document, list):
            new: Value | None = operated(one.value, self.document)
        else:
            new = merged(one.value, self.document)
        if not isinstance(new, dict):
            return None
        return one.saying(new) if isinstance(self.document, list) else self._keep_names(one, one.saying(new))

    def _names(self, one: KubeObject) -> bool:
        if not isinstance(self.document, dict):
            return False
        named = KubeObject.of(self.document, "")
        namespaces = {one.first_namespace or "default", one.namespace or "default"}
        return (
            (named.kind, named.group, named.version) == (one.kind, one.group, one.version)
            and named.name in (one.first_name, one.name)
            and (named.namespace or "default") in namespaces
        )

    def _keep_names(self, one: KubeObject, new: KubeObject) -> KubeObject:
        """A merged patch changes neither name nor kind, unless it may, and never the namespace."""
        metadata: dict[str, Value] = {} if self.may_rename else {"name": one.name}
        known = at(new.value, "metadata")
        kept = {key: value for key, value in (known.items() if isinstance(known, dict) else ()) if key != "namespace"}
        if one.namespace:
            metadata["namespace"] = one.namespace
        value = {**new.value, "metadata": {**kept, **metadata}}
        return new.saying(value if self.may_change_kind else {**value, "kind": one.kind})


def read_patches(
    content: Value, key: str, path: str, documents: Mapping[str, Sequence[Value]], kinds: Mapping[str, str]
) -> tuple[tuple[Patch, ...], list[str]]:
    """The patches in a list of a kustomization at a path that may be for objects of these kinds; and what is wrong."""
    found: list[Patch] = []
    problems: list[str] = []
    for number, item in enumerate(items_at(content, key)):
        where = f"{key}[{number}]"
        target = Target.of(lambda part, item=item: written_at(item, "target", part)) if _has_target(item) else None  # type: ignore[misc]
        if target is not None and not target.may_fit(kinds):
            continue
        try:
            contents = list(_documents(item, path, documents))
        except Unparsable as error:
            problems.append(f"{where}: {error}")
            continue
        may_rename = written_at(item, "options", "allowNameChange") == "true"
        may_change_kind = written_at(item, "options", "allowKindChange") == "true"
        found += (
            Patch(where, one, target, may_rename, may_change_kind)
            for one in contents
            if target is not None or written_at(one, "kind") in kinds
        )
    return tuple(found), problems


def _has_target(item: Value) -> bool:
    return isinstance(at(item, "target"), dict)


def _documents(item: Value, path: str, documents: Mapping[str, Sequence[Value]]) -> Iterator[Value]:
    """What an item says: in a file that it names, as a text, or as it stands there."""
    text = written_at({"": item}, "")
    name, inline = (text, "") if "\n" not in text else ("", text)
    if isinstance(item, dict):
        name = written_at(item, "path")
        match at(item, "patch"):
            case str(written):
                inline = written
            case None:
                pass
            case given:
                yield given
        if "patch" not in item and "path" not in item:
            yield item
    if name:
        yield from documents.get(normpath(join(dirname(path), name)), ())
    elif inline:
        yield from _read(inline)


@lru_cache(maxsize=2_000)
def _read(text: str) -> tuple[Value, ...]:
    """Raises Unparsable."""
    found = read_documents(text)
    return tuple(one for one in found if is_within(one, _MOST_PARTS) and (isinstance(one, dict) or is_operations(one)))
