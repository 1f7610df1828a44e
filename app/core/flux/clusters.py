"""What each root brings into its cluster: the objects there as the cluster gets them.

Sources: kustomize-controller builds the path of a Kustomization with what its spec adds (namespace, patches,
components, labels), fills variables in after the build, and finds further Kustomizations among what it applies.
"""

import re
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from posixpath import basename, dirname
from typing import TypeAlias

from app.core.flux.kustomize_objects import read_kustomization
from app.core.flux.origins import Origins
from app.core.flux.substitution import BadSubstitution, Substitution, Variables, uses_variables
from app.core.flux.written import WrittenKustomization
from app.core.kustomize.building import Additions, Builder
from app.core.kustomize.generated import data_of, is_config_map
from app.core.kustomize.making import Build
from app.core.kustomize.objects import KubeObject
from app.core.kustomize.patches import read_patches
from app.core.kustomize.rendered import ADDED, KUSTOMIZE_FILES
from app.core.manifests.text.values import at, items_at, text_of, texts_of, written_at

_SUBSTITUTE = "kustomize.toolkit.fluxcd.io/substitute"
_MOST_KUSTOMIZATIONS = 10_000
_NOT_FOLLOWED = ("namePrefix", "nameSuffix")

MapName: TypeAlias = tuple[str, str]
"""Namespace and name of a ConfigMap."""


@dataclass(frozen=True, slots=True)
class Applied:
    """An object as a root's cluster gets it; `missing` are variables in it whose values are not known."""

    one: KubeObject
    missing: frozenset[str] = frozenset()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class AppliedKustomization:
    """A Kustomization of Flux in a root's cluster, and what it builds (None: nothing of this repository)."""

    one: KubeObject
    written: WrittenKustomization
    folder: str | None
    build: Build | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """All that one root brings in. `waiting` are the Kustomizations whose folder depends on variables not known."""

    root: str
    applied: tuple[Applied, ...]
    kustomizations: tuple[AppliedKustomization, ...]
    waiting: tuple[tuple[AppliedKustomization, frozenset[str]], ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    by_itself: Build | None = None

    def builds(self) -> Iterator[Build]:
        """What its Kustomizations build, or its folder by itself where none makes it a root."""
        if self.by_itself is not None:
            yield self.by_itself
        yield from (one.build for one in self.kustomizations if one.build is not None)

    def folders(self) -> set[str]:
        """The folders that are built, and those of every kustomization.yaml on the way."""
        found = {one.folder for one in self.kustomizations if one.folder is not None}
        found |= {dirname(file) for build in self.builds() for file in build.files if basename(file) in KUSTOMIZE_FILES}
        return found | ({self.root} if self.by_itself is not None else set())


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """A Kustomization whose folder is to be built; `missing` are variables in it that are not known."""

    one: KubeObject
    written: WrittenKustomization
    folder: str
    missing: frozenset[str]


class _Steps:
    """The steps that are left: first those that wait for no ConfigMap, in the order in which they became so."""

    def __init__(self) -> None:
        self._ready: deque[_Step] = deque()
        self._held: OrderedDict[_Step, set[MapName]] = OrderedDict()
        self._wanting: dict[MapName, list[_Step]] = defaultdict(list)

    def __bool__(self) -> bool:
        return bool(self._ready or self._held)

    def add(self, step: _Step, lacking: Iterable[MapName]) -> None:
        """Add one, with the ConfigMaps that it takes variables from and that have not come up yet."""
        wanted = set(lacking)
        if not wanted:
            self._ready.append(step)
            return
        self._held[step] = wanted
        for name in wanted:
            self._wanting[name].append(step)

    def note(self, name: MapName) -> None:
        """A ConfigMap has come up."""
        for step in self._wanting.pop(name, ()):
            wanted = self._held.get(step)
            if wanted is not None:
                wanted.discard(name)
                if not wanted:
                    del self._held[step]
                    self._ready.append(step)

    def take(self) -> _Step:
        """The next one; where all wait, the first of them, for what it waits for may never come."""
        return self._ready.popleft() if self._ready else self._held.popitem(last=False)[0]


@dataclass
class Walk:
    """Follows Kustomizations from a root on, at most so many. `given` are the root's variables that no file tells."""

    builder: Builder
    root: str
    given: Mapping[str, str]
    origins: Origins
    most: int = _MOST_KUSTOMIZATIONS
    _applied: list[Applied] = field(default_factory=list)
    _seen: dict[tuple[str, ...], AppliedKustomization] = field(default_factory=dict)
    _waiting: dict[tuple[str, ...], tuple[AppliedKustomization, frozenset[str]]] = field(default_factory=dict)
    _met: set[tuple[str, ...]] = field(default_factory=set)
    _problems: dict[tuple[str, str], None] = field(default_factory=dict)
    _maps: dict[MapName, Mapping[str, str]] = field(default_factory=dict)
    _steps: _Steps = field(default_factory=_Steps)

    def run(self, entries: Iterable[KubeObject], by_itself: Callable[[], Build]) -> Cluster:
        """Everything from the Kustomizations that make the folder a root; where there are none, from a build of it."""
        for one in entries:
            entry = self._as_entry(one)
            self._meet(entry.one, entry.missing)
        plain = None if self._steps else by_itself()
        if plain is not None:
            self._problems |= dict.fromkeys(plain.problems)
            self._apply(plain, Substitution(Variables({})), is_on=False)
        while self._steps:
            step = self._steps.take()
            if len(self._met) > self.most:
                what = f"more than {self.most} Kustomizations bring each other in: the rest is not read"
                self._problems[step.one.file, what] = None
                break
            self._take(step)
        return Cluster(
            self.root,
            tuple(self._applied),
            tuple(self._seen.values()),
            tuple(self._waiting.values()),
            tuple(self._problems),
            plain,
        )

    def _take(self, step: _Step) -> None:
        additions, problems = self._additions(step.one)
        build = self.builder.build(step.folder, additions)
        key = _key_of(step.one, step.folder)
        self._seen[key] = AppliedKustomization(step.one, step.written, step.folder, build)
        self._problems |= dict.fromkeys([*problems, *build.problems])
        variables = self._variables(step)
        self._apply(build, Substitution(variables or Variables({})), is_on=variables is not None)

    def _additions(self, one: KubeObject) -> tuple[Additions, list[tuple[str, str]]]:
        """What the spec of a Kustomization adds to what it builds."""
        spec = at(one.value, "spec") or {}
        found = [
            read_patches(spec, key, one.file, _no_file)
            for key in ("patchesStrategicMerge", "patches", "patchesJson6902")
        ]
        named = [key for key in _NOT_FOLLOWED if written_at(spec, key)]
        additions = Additions(
            namespace=written_at(spec, "targetNamespace"),
            patches=tuple(
                replace(patch, where=f"{patch.where} of {one.kind} {one.name}")
                for patches, _ in found
                for patch in patches
            ),
            components=tuple(text_of(name) for name in items_at(spec, "components")),
            labels=tuple(texts_of(spec, "commonMetadata", "labels").items()),
            annotations=tuple(texts_of(spec, "commonMetadata", "annotations").items()),
            not_followed=f"spec.{named[0]} of {one.kind} {one.name}" if named else "",
            spec={key: value for key in ADDED if (value := at(spec, key)) is not None},
        )
        return additions, [(one.file, f"{one.kind} {one.name}: {what}") for _, told in found for what in told]

    def _variables(self, step: _Step) -> Variables | None:
        """What it fills in; None where it fills in nothing. Inline ones count more than those of ConfigMaps."""
        inline = texts_of(step.one.value, "spec", "postBuild", "substitute")
        sources = items_at(step.one.value, "spec", "postBuild", "substituteFrom")
        if not inline and not sources:
            return None
        maps = _maps_of(step.one)
        values: dict[str, str] = {}
        for key in maps:
            values |= self._maps.get(key, {})
        values |= self.given
        waiting: dict[str, frozenset[str]] = {}
        for name, text in inline.items():
            unknown = {one for one in step.missing if _names(one, text)}
            if not unknown:
                values[name] = text.replace("\n", "")
            elif name not in self.given:
                waiting[name] = frozenset(unknown)
        is_whole = len(maps) == len(sources) and all(key in self._maps for key in maps)
        is_any = values or waiting or not is_whole
        return Variables(values, is_whole, waiting) if is_any else None

    def _as_entry(self, one: KubeObject) -> Applied:
        """A Kustomization that nothing here brings in, or that brings itself in: filled in by what it says itself."""
        inline = texts_of(one.value, "spec", "postBuild", "substitute")
        own = {name: text for name, text in inline.items() if "${" not in text}
        return self._filled(one, Substitution(Variables({**self.given, **own}, is_whole=False)))

    def _apply(self, build: Build, substitution: Substitution, *, is_on: bool) -> None:
        """Add the objects of a build; the Kustomizations among them are to be followed."""
        for one in build.objects:
            applied = self._filled(one, substitution) if is_on else Applied(one)
            if is_config_map(applied.one):
                if applied.one.doubt is None and not applied.missing:
                    key = (applied.one.namespace, applied.one.name)
                    self._maps[key] = {name: text.replace("\n", "") for name, text in data_of(applied.one).items()}
                    self._steps.note(key)
            elif applied.one.kind == "Kustomization":
                self._meet(applied.one, applied.missing)
                self._applied.append(applied)
            else:
                self._applied.append(applied)

    def _filled(self, one: KubeObject, substitution: Substitution) -> Applied:
        is_off = "disabled" in (one.labels.get(_SUBSTITUTE), one.annotations.get(_SUBSTITUTE))
        if is_off or not uses_variables(one.value):
            return Applied(one)
        substitution.missing = set()
        try:
            value = substitution.value(one.value)
        except BadSubstitution as error:
            return Applied(one, problem=str(error))
        filled = one.saying(value) if isinstance(value, dict) else one
        return Applied(filled, frozenset(substitution.missing))

    def _meet(self, one: KubeObject, missing: frozenset[str]) -> None:
        """Take a Kustomization on where it is one: patches have no source and no path."""
        written = read_kustomization(one.value)
        if not written.source_name:
            return
        folder = self.origins.folder_of(one, written)
        key = _key_of(one, folder or written.path)
        if key in self._met:
            return
        self._met.add(key)
        named = {name for name in missing if _names(name, written.path)}
        if named or "${" in written.path:
            self._seen[key] = AppliedKustomization(one, written, None)
            self._waiting[key] = (self._seen[key], frozenset(named or re.findall(r"\$\{(\w+)", written.path)))
        elif folder is None:
            self._seen[key] = AppliedKustomization(one, written, None)
        else:
            step = _Step(one, written, folder, missing)
            self._steps.add(step, [key for key in _maps_of(one) if key not in self._maps])


def _no_file(_path: str) -> None:
    """Patches of a Kustomization stand in it, never in files."""


def _names(variable: str, text: str) -> bool:
    """Whether a text still has a variable in it."""
    return re.search(rf"\$\{{#?{variable}\b", text) is not None


def _key_of(one: KubeObject, folder: str) -> tuple[str, ...]:
    return one.namespace, one.name, folder, one.file


def _maps_of(one: KubeObject) -> list[MapName]:
    """The ConfigMaps that it takes variables from."""
    return [
        (one.namespace, written_at(source, "name"))
        for source in items_at(one.value, "spec", "postBuild", "substituteFrom")
        if written_at(source, "kind") == "ConfigMap"
    ]
