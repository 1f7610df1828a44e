"""Patches as kustomization.yaml files and Flux's Kustomizations name them, each ready to change objects."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from posixpath import dirname, join, normpath

from app.core.kustomize.kinds import FOLLOWED, carried, is_left_out
from app.core.kustomize.objects import KubeObject
from app.core.kustomize.patching import DIRECTIVE, CannotPatch, is_operations, merged, operated
from app.core.kustomize.selectors import InvalidSelector, Target
from app.core.manifests.text.documents import Value, read_documents
from app.core.manifests.text.parsing import Unparsable
from app.core.manifests.text.values import at, is_within, items_at, text_of, written_at

_MOST_PARTS = 20_000
_BY_OPERATIONS = "patchesJson6902"

FindDocuments = Callable[[str], Sequence[Value] | None]
"""The documents of a file that may be a patch; None where it cannot be read."""


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """One document of a patch; without a target it is for the object that it names. `where` tells where it stands.

    Without a document it is not known what it changes.
    """

    where: str
    document: Value | None
    target: Target | None
    may_rename: bool = False
    may_change_kind: bool = False

    @property
    def named(self) -> KubeObject:
        """The object as a merged patch names it."""
        return KubeObject.of(self.document if isinstance(self.document, dict) else {}, "")

    def names(self, one: KubeObject) -> bool:
        """Whether it is for an object that it names, by what that is called or was called before."""
        named = self.named
        return (named.group, named.version) == (one.group, one.version) and named.identity in one.identities

    def change(self, one: KubeObject) -> KubeObject | None:
        """An object after the patch, None where that deletes it. Raises CannotPatch."""
        if self.document is None:
            return one.doubted(f"{self.where} may change it, which is not read")
        if isinstance(self.document, list):
            # kustomize does not note what its older list of operations renames. It notes names in annotations.
            known = one if self.where.startswith(_BY_OPERATIONS) else one.remembering()
            if known.earlier and at(one.value, "metadata", "annotations") is None:
                known = known.in_metadata(annotations={})
            new = operated(known.value, [one for one in self.document if not _is_left_out(known.kind, one)])
            if not isinstance(new, dict) or not written_at(new, "metadata", "name") or not written_at(new, "kind"):
                raise CannotPatch("it leaves the object without a name or a kind")
            return known.saying(carried(new))
        if written_at(self.document, DIRECTIVE) == "replace":
            return one  # kustomize replaces what stands in objects, no object as a whole
        changed = merged(one.value, self.document)
        return self._keep_names(one, changed) if isinstance(changed, dict) and changed else None

    def _keep_names(self, one: KubeObject, new: dict[str, Value]) -> KubeObject:
        """A merged patch changes neither name nor kind, unless it may, and never the namespace."""
        metadata: dict[str, Value] = {} if self.may_rename else {"name": one.name}
        known = at(new, "metadata")
        kept = {key: value for key, value in (known.items() if isinstance(known, dict) else ()) if key != "namespace"}
        if one.namespace:
            metadata["namespace"] = one.namespace
        value = {**new, "metadata": {**kept, **metadata}}
        before = one.remembering() if self.may_rename or self.may_change_kind else one
        kind = {} if self.may_change_kind else {"kind": one.value["kind"]}
        return before.saying(carried({**value, "apiVersion": one.value["apiVersion"], **kind}))


def read_patches(content: Value, key: str, path: str, find: FindDocuments) -> tuple[tuple[Patch, ...], list[str]]:
    """The patches in a list of a kustomization at a path that may be for what is followed; and what is wrong."""
    found: list[Patch] = []
    problems: list[str] = []
    for number, item in enumerate(items_at(content, key)):
        where = f"{key}[{number}]"
        try:
            found += _patches(item, where, path, find)
        except (Unparsable, CannotPatch, InvalidSelector) as error:
            problems.append(f"{where}: {error}")
    return tuple(found), problems


def _patches(item: Value, where: str, path: str, find: FindDocuments) -> Iterator[Patch]:
    """Raises Unparsable, CannotPatch and InvalidSelector."""
    given = at(item, "target")
    target = Target.of(lambda part: written_at(given, part)) if isinstance(given, dict) else None
    if target is not None and not target.may_fit():
        return
    documents = _documents(item, path, find)
    may_rename, may_change_kind = (
        written_at(item, "options", f"allow{what}Change") == "true" for what in ("Name", "Kind")
    )
    if target is None:
        if any(isinstance(one, list) for one in documents or ()):
            raise CannotPatch("a patch of operations has no target: kustomize builds nothing")
        if documents is None:
            raise CannotPatch("its file is not there, or is not read")
        found = [Patch(where, one, None, may_rename, may_change_kind) for one in documents]
        yield from (patch for patch in found if FOLLOWED.get(patch.named.kind) == patch.named.group)
    elif documents is None:
        yield Patch(where, None, target)
    elif len(documents) > 1:
        raise CannotPatch("it has a target and several patches: kustomize builds nothing")
    elif where.startswith(_BY_OPERATIONS) and not target.name:
        raise CannotPatch("its target has no name: kustomize builds nothing")
    else:
        yield from (Patch(where, one, target, may_rename, may_change_kind) for one in documents)


def _documents(item: Value, path: str, find: FindDocuments) -> Sequence[Value] | None:
    """What an item says: in a file that it names, as a text, or as it stands there. Raises Unparsable."""
    text = text_of(item)
    name, inline = (text, "") if "\n" not in text else ("", text)
    if isinstance(item, dict):
        name = written_at(item, "path")
        match at(item, "patch"):
            case str(written):
                inline = written
            case None:
                pass
            case given:
                return [given]
        if "patch" not in item and "path" not in item:
            return [item]
    if name and not inline:
        return find(normpath(join(dirname(path), name)))
    return read_patch(inline)


def _is_left_out(kind: str, operation: Value) -> bool:
    return is_left_out(kind, written_at(operation, "path"))


@lru_cache(maxsize=2_000)
def read_patch(text: str) -> tuple[Value, ...]:
    """The documents of a patch. Raises Unparsable."""
    found = read_documents(text)
    return tuple(one for one in found if is_within(one, _MOST_PARTS) and (isinstance(one, dict) or is_operations(one)))
