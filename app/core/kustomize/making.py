"""A build while it is made: the objects by now, each with one identity, and what is wrong."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from posixpath import dirname

from app.core.kustomize.generated import GeneratedConfigMap, data_of, is_config_map
from app.core.kustomize.kinds import PARTLY
from app.core.kustomize.objects import Identity, KubeObject
from app.core.kustomize.patches import Patch
from app.core.kustomize.patching import CannotPatch
from app.core.kustomize.selectors import EVERYTHING, InvalidSelector, Target
from app.core.manifests.text.documents import Value

MANIFESTS = (".yaml", ".yml")
_MOST_NAMED = 5
_MOST_TOLD = 10


@dataclass(frozen=True, slots=True)
class Build:
    """What a folder brings into a cluster.

    `files` are those that it names or reads, `folders` those whose manifests all count, but not those below them;
    `problems` are files with what is wrong there, `refused` what kustomize refuses and is read all the same. With
    `is_whole` nothing is left out but kinds that are not followed. `not_followed` is what also changes how folders are
    built that bring this one in; without `is_followed` kustomize itself would know more of these objects.
    """

    objects: tuple[KubeObject, ...] = ()
    files: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()
    problems: tuple[tuple[str, str], ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    is_whole: bool = True
    not_followed: str = ""
    is_followed: bool = True

    def __contains__(self, path: object) -> bool:
        is_listed = path in self.files
        return is_listed or (isinstance(path, str) and dirname(path) in self.folders and path.endswith(MANIFESTS))


@dataclass
class Making:
    """A build while it is made."""

    objects: list[KubeObject] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    problems: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    is_whole: bool = True
    not_followed: str = ""
    is_followed: bool = True

    def take(self, build: Build) -> None:
        """Add what another folder brings in."""
        self.objects += build.objects
        self.files |= build.files
        self.folders |= build.folders
        self.problems += build.problems
        self.refused += build.refused
        self.is_whole &= build.is_whole
        self.not_followed = self.not_followed or build.not_followed
        self.is_followed &= build.is_followed

    def lack(self, path: str, problem: str) -> None:
        """Note that something is not read."""
        self.problems.append((path, problem))
        self.is_whole = False

    def made(self) -> Build:
        """What it has become."""
        problems = tuple(dict.fromkeys(self.problems))
        files, folders = frozenset(self.files), frozenset(self.folders)
        refused = tuple(dict.fromkeys(self.refused))
        return Build(
            tuple(self.objects),
            files,
            folders,
            problems,
            refused,
            self.is_whole,
            self.not_followed,
            self.is_followed,
        )

    def note_twins(self, path: str) -> None:
        """Tell of objects that are called alike, for kustomize builds nothing then; one of a file is kept once."""
        found: dict[tuple[str, str, Identity], dict[str, KubeObject]] = {}
        twins: set[tuple[str, str, Identity]] = set()
        for one in self.objects:
            key = (one.group, one.version, one.identity)
            if key in found:
                twins.add(key)
            found.setdefault(key, {}).setdefault(one.file, one)
        for key, by_file in found.items():
            if key in twins:
                called, files = _called(next(iter(by_file.values()))), " and ".join([*by_file][:_MOST_NAMED])
                self.problems.append((path, f"{called} is there twice, from {files}: kustomize builds nothing"))
        self.objects = [one for by_file in found.values() for one in by_file.values()]

    def doubt(self, what: str, target: Target = EVERYTHING) -> None:
        """Note for the objects that a target fits what may be done to them that is not followed."""
        why = f"{what} may change it, which is not followed"
        objects = [one.doubted(why) if target.fits(one) else one for one in self.objects]
        self.is_followed &= all(
            new is one or is_config_map(one) for new, one in zip(objects, self.objects, strict=True)
        )
        self.objects = objects

    def move(self, namespace: str) -> None:
        """Put every object into a namespace."""
        self.objects = [one.remembering().in_metadata(namespace=namespace) for one in self.objects]

    def label(self, labels: dict[str, str]) -> None:
        """Give every object more labels."""
        self.objects = [one.in_metadata(labels={**one.labels, **labels}) for one in self.objects]

    def annotate(self, annotations: dict[str, str]) -> None:
        """Give every object more annotations."""
        self.objects = [one.in_metadata(annotations={**one.annotations, **annotations}) for one in self.objects]

    def patch(self, patches: Sequence[Patch], path: str) -> None:
        """Change objects by patches, which stand in a file."""
        if not patches:
            return
        places = _Places(self.objects)
        for patch in patches:
            try:
                chosen = places.chosen(patch, is_whole=self.is_whole)
            except (CannotPatch, InvalidSelector) as error:
                self.problems.append((path, f"{patch.where}: {error}"))
                continue
            for number, one in chosen:
                places.put(number, self._changed(one, patch, path))
        self.objects = places.left()

    def _changed(self, one: KubeObject, patch: Patch, path: str) -> KubeObject | None:
        self.is_followed &= patch.document is not None or is_config_map(one)
        try:
            return patch.change(one)
        except CannotPatch as error:
            # Where a part of an object is known only, a patch may be for the rest of it.
            if one.kind not in PARTLY:
                self.problems.append((path, f"{patch.where}: {error}"))
            return one.doubted(f"{patch.where} of {path} does not fit it: {error}")

    def join(self, made: GeneratedConfigMap, path: str) -> None:
        """Add a generated ConfigMap, put it in the place of the one that there is, or merge it into that."""
        new = made.one
        if made.repeated is not None:
            self.problems.append((path, f"{_called(new)} has the key {made.repeated[:80]!r} twice"))
        found = [number for number, one in enumerate(self.objects) if not one.group and new.identity in one.identities]
        if not found:
            # One to be merged with, that is not followed, has nothing that may be a variable.
            self.objects.append(new)
            return
        if made.behavior == "create":
            self.problems.append((path, f"{_called(new)} is there already: merge or replace it"))
            return
        for number in found[:1]:
            old = self.objects[number]
            data: dict[str, Value] = {**(data_of(old) if made.behavior == "merge" else {}), **data_of(new)}
            metadata: dict[str, Value] = {"name": old.name}
            if old.namespace:
                metadata["namespace"] = old.namespace
            for key, own, given in (
                ("labels", old.labels, new.labels),
                ("annotations", old.annotations, new.annotations),
            ):
                if own or given:
                    metadata[key] = {**own, **given}
            self.objects[number] = new.saying({**new.value, "metadata": metadata, "data": data})


class _Places:
    """Objects while they are patched, found by what they are called or were called before."""

    def __init__(self, objects: Iterable[KubeObject]) -> None:
        self._objects: dict[int, KubeObject] = {}
        self._by_name: dict[str, dict[int, None]] = defaultdict(dict)
        for number, one in enumerate(objects):
            self.put(number, one)

    def put(self, number: int, one: KubeObject | None) -> None:
        """Have another object, or none, in a place."""
        if one is None:
            self._objects.pop(number, None)
            return
        self._objects[number] = one
        for each in (*one.earlier, one.identity):
            self._by_name[each.name][number] = None

    def left(self) -> list[KubeObject]:
        """All objects that there are by now."""
        return list(self._objects.values())

    def chosen(self, patch: Patch, *, is_whole: bool) -> list[tuple[int, KubeObject]]:
        """The objects that a patch is for, with their places. Raises CannotPatch and InvalidSelector."""
        if patch.target is not None:
            name = patch.target.plain_name
            return [(number, one) for number, one in self._called(name) if patch.target.fits(one)]
        found = [(number, one) for number, one in self._called(patch.named.name) if patch.names(one)]
        if len(found) > 1:
            raise CannotPatch(f"it may be for several objects, as {_called(patch.named)} is: kustomize builds nothing")
        # A ConfigMap without anything that may be a variable is not followed.
        if not found and is_whole and patch.named.kind != "ConfigMap":
            raise CannotPatch(f"there is no {_called(patch.named)} that it is for: kustomize builds nothing")
        return found

    def _called(self, name: str | None) -> list[tuple[int, KubeObject]]:
        if name is None:
            return list(self._objects.items())
        return [(number, self._objects[number]) for number in self._by_name.get(name, ()) if number in self._objects]


def _called(one: KubeObject) -> str:
    return f"{one.kind} {one.identity.namespace}/{one.identity.name}"[:300]
