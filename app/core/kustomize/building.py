"""Build folders as kustomize does, for the objects that matter to us.

Sources: kustomize takes resources (with what their own kustomization.yaml makes of them), then what generators make,
then components, and changes all of it in this order: patchesStrategicMerge, patches, namespace, name changes, labels,
annotations, patchesJson6902, replacements. Flux makes a kustomization.yaml where a folder has none: it lists every
*.yaml and *.yml below, and folders that have one of their own as a whole.
"""

from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from posixpath import basename, dirname, join, normpath

from app.core.errors import Invalid
from app.core.kustomize.generated import config_maps
from app.core.kustomize.making import MANIFESTS, Build, Making
from app.core.kustomize.objects import KubeObject
from app.core.kustomize.patches import Patch, read_patch, read_patches
from app.core.kustomize.rendered import KUSTOMIZE_FILES, Render, Wanted, resources_among
from app.core.kustomize.selectors import InvalidSelector, Target
from app.core.manifests.text.documents import Value
from app.core.manifests.text.parsing import Unparsable, decode
from app.core.manifests.text.values import at, items_at, text_of, texts_of, written_at

_NOT_FOLLOWED = ("namePrefix", "nameSuffix", "transformers")
_NOT_FOLLOWED_ABOVE = ("vars", "configurations", "openapi.path")
_GENERATING = ("generators", "helmCharts", "helmChartInflationGenerator")
_NOT_KNOWN = "what they make is not known"
_MOST_OBJECTS = 50_000
_DEEPEST = 100
_LONGEST_PATCH = 256 * 1024
_REMOTE = ("://", "git@", "github.com/", "gitlab.com/")


class TooLarge(Invalid):
    """A folder brings in more objects than anybody would want in one cluster."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} brings in more than {_MOST_OBJECTS} objects: it is not read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The files of a repository by their paths, as far as they matter to a build.

    `objects` are those that are followed, `documents` what may be patches in each file that could be read,
    `kustomizations` what kustomization.yaml files say. `render` asks kustomize itself, where it can be asked.
    """

    objects: Mapping[str, Sequence[dict[str, Value]]]
    documents: Mapping[str, Sequence[Value]]
    kustomizations: Mapping[str, Value]
    paths: Sequence[str]
    read: Callable[[str], bytes | None] = lambda _path: None
    render: Render | None = None


@dataclass(frozen=True, slots=True)
class Additions:
    """What Flux adds to the kustomization.yaml that it builds; `namespace` takes the place of its own.

    `spec` is all of that but labels and annotations, as the Kustomization says it.
    """

    namespace: str = ""
    patches: tuple[Patch, ...] = ()
    components: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    not_followed: str = ""
    spec: Value = field(default_factory=dict, hash=False)


class Builder:
    """Builds the folders of one tree, each once."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._paths = sorted(sources.paths)
        self._known = frozenset(sources.paths)
        self._tops = {dirname(path): path for path in sorted(sources.kustomizations, key=rank, reverse=True)}
        self._made: dict[tuple[str, Additions], Build] = {}
        self._built: dict[tuple[str, Additions], Build] = {}
        self._open: set[str] = set()

    def top_of(self, folder: str) -> str | None:
        """The kustomization.yaml of a folder; None where it has none."""
        return self._tops.get(folder)

    def build(self, folder: str, additions: Additions = Additions()) -> Build:
        """What Flux builds of a folder, by kustomize itself where that is asked. Raises TooLarge."""
        key = (folder, additions)
        if key not in self._built:
            made = self._make(folder, additions)
            self._built[key] = made if made.is_followed else self._rendered(folder, additions, made)
        return self._built[key]

    def _rendered(self, folder: str, additions: Additions, made: Build) -> Build:
        """A build with the objects that kustomize makes, else with why it was not asked."""
        if self._sources.render is None:
            return made
        wanted = self._wanted(folder, additions, made)
        rendered = self._sources.render(wanted)
        if rendered.problem is not None:
            why = f"; not rendered: {rendered.problem}"
            objects = (replace(one, doubt=f"{one.doubt}{why}") if one.doubt else one for one in made.objects)
            problems = ((path, f"{what}{why}" if what.endswith(_NOT_KNOWN) else what) for path, what in made.problems)
            return replace(made, objects=tuple(objects), problems=tuple(problems))
        making = Making(objects=[*rendered.at_home(wanted)], files={*made.files}, folders={*made.folders})
        making.label(dict(additions.labels))
        making.annotate(dict(additions.annotations))
        return making.made()

    def _wanted(self, folder: str, additions: Additions, made: Build) -> Wanted:
        top = self._tops.get(folder)
        below = self._below(folder) if top is None else ()
        return Wanted(
            folder=folder,
            top=top or join(folder, KUSTOMIZE_FILES[0]),
            files=made.files & self._known | {path for one in made.folders for path in self._in(one)},
            resources=tuple(resources_among(path.removeprefix(f"{folder}/") for path in below)),
            spec=additions.spec,
        )

    def _in(self, folder: str) -> Iterator[str]:
        return (path for path in self._below(folder) if dirname(path) == folder and path.endswith(MANIFESTS))

    def _make(self, folder: str, additions: Additions = Additions()) -> Build:
        """What Flux builds of a folder, as far as it is followed here."""
        key = (folder, additions)
        if key not in self._made:
            making = Making()
            top = self._tops.get(folder)
            if top is None:
                self._take_all_below(folder, making)
                generated = join(folder, KUSTOMIZE_FILES[0])
                making.note_twins(generated)
                for name in additions.components:
                    self._take_component(generated, name, making)
                self._change(making, {}, generated, additions)
            else:
                self._take_kustomization(top, making, additions)
            self._made[key] = making.made()
        return self._made[key]

    def build_all(self, but: Container[str] = ()) -> Build:
        """What a whole repository may bring in, where nothing tells which folders are built, but for some files.

        That is every kustomization.yaml that no other brings in, and every manifest of a folder that has none.
        """
        making = Making()
        brought = {target for path in self._sources.kustomizations for target in self._brought(path)}
        for path in sorted(self._tops.values()):
            if path not in brought and path not in but:
                making.take(self.build(dirname(path)))
        for path in self._paths:
            if dirname(path) not in self._tops and path not in making.files and path not in but:
                making.folders.add(dirname(path))
                making.objects += self._objects_in(path)
        return making.made()

    def _brought(self, path: str) -> Iterator[str]:
        """What a kustomization.yaml brings in itself, a folder by its kustomization.yaml."""
        content = self._sources.kustomizations[path]
        for key in ("resources", "bases", "components"):
            for name in items_at(content, key):
                yield from self._targets(path, text_of(name))

    def _take_all_below(self, folder: str, making: Making) -> None:
        below = self._below(folder)
        tops = {inside: self._top_between(folder, inside) for inside in {dirname(path) for path in below}}
        for top in sorted({top for top in tops.values() if top is not None}):
            making.take(self._make(dirname(top)))
        making.folders |= {inside for inside, top in tops.items() if top is None}
        for path in below:
            if tops[dirname(path)] is None and path.endswith(MANIFESTS):
                making.objects += self._objects_in(path)
                making.is_whole &= path in self._sources.documents

    def _top_between(self, folder: str, inside: str) -> str | None:
        """The uppermost kustomization.yaml of the folders from below one down to another."""
        found: str | None = None
        while inside != folder:
            found = self._tops.get(inside, found)
            inside = dirname(inside)
        return found

    def _below(self, folder: str) -> Sequence[str]:
        if not folder:
            return self._paths
        # "0" is the character after "/".
        return self._paths[bisect_left(self._paths, f"{folder}/") : bisect_left(self._paths, f"{folder}0")]

    def _objects_in(self, path: str) -> Iterator[KubeObject]:
        return (KubeObject.of(value, path) for value in self._sources.objects.get(path, ()))

    def _take_kustomization(self, path: str, making: Making, additions: Additions | None = None) -> None:
        """Add what a kustomization.yaml makes of its resources, and of all there is where it is a component."""
        if path in self._open:
            making.lack(path, "it brings itself in: remove it from its own resources")
            return
        if len(self._open) >= _DEEPEST:
            making.lack(path, f"more than {_DEEPEST} folders bring each other in: it is not read")
            return
        self._open.add(path)
        try:
            content = self._sources.kustomizations[path]
            making.files.add(path)
            making.files |= {target for name in _read_names(content) for target in self._targets(path, name)}
            for name in (*items_at(content, "resources"), *items_at(content, "bases")):
                self._take_resource(path, text_of(name), making)
            making.note_twins(path)
            for made in config_maps(content, path, self._sources.read):
                making.join(made, path)
            for key in _GENERATING:
                if items_at(content, key):
                    making.lack(path, f"its {key} are not followed: {_NOT_KNOWN}")
                    making.is_followed &= key != "generators"
            components = [text_of(name) for name in items_at(content, "components")]
            for name in (*components, *(additions.components if additions else ())):
                self._take_component(path, name, making)
            making.note_twins(path)
            self._change(making, content, path, additions or Additions())
        finally:
            self._open.discard(path)
        if len(making.objects) > _MOST_OBJECTS:
            raise TooLarge(path)

    def _take_resource(self, path: str, name: str, making: Making) -> None:
        if any(part in name for part in _REMOTE):
            making.lack(path, f"{name[:200]!r} lies elsewhere and is not read")
            return
        target = normpath(join(dirname(path), name))
        if target.startswith(".."):
            making.lack(path, f"{name[:200]!r} lies outside of the repository and is not read")
        elif (top := self._tops.get("" if target == "." else target)) is not None:
            if top in self._open:
                making.lack(path, f"{name[:200]!r} brings this file in again: remove one of the two")
                return
            making.take(self._make(dirname(top)))
        else:
            self._take_file(path, name, target, making)

    def _take_file(self, path: str, name: str, target: str, making: Making) -> None:
        making.files.add(target)
        if target in self._known:
            making.objects += self._objects_in(target)
            making.is_whole &= target in self._sources.documents
        elif self._below(target):
            making.take(self._make(target))
            making.refused.append((path, f"kustomize builds nothing here: {name[:200]!r} has no kustomization.yaml"))
        else:
            making.lack(path, f"{name[:200]!r} is not there: kustomize builds nothing here")

    def _take_component(self, path: str, name: str, making: Making) -> None:
        target = normpath(join(dirname(path), name))
        top = self._tops.get(target)
        if top is None:
            making.lack(path, f"its component {name[:200]!r} has no kustomization.yaml here: not read")
        else:
            self._take_kustomization(top, making)

    def _targets(self, path: str, name: str) -> Iterator[str]:
        target = normpath(join(dirname(path), name))
        yield self._tops.get(target, target)

    def _change(self, making: Making, content: Value, path: str, additions: Additions) -> None:
        """Change everything in kustomize's order."""
        self._patch(making, content, path, ("patchesStrategicMerge", "patches"))
        making.patch(additions.patches, path)
        if namespace := additions.namespace or written_at(content, "namespace"):
            making.move(namespace)
            making.note_twins(path)
        self._doubt(making, content, path, additions)
        self._label(making, content, additions)
        self._patch(making, content, path, ("patchesJson6902",))

    def _doubt(self, making: Making, content: Value, path: str, additions: Additions) -> None:
        """Note what may be changed by what is not followed."""
        if above := [key for key in _NOT_FOLLOWED_ABOVE if at(content, *key.split(".")) not in (None, [])]:
            making.not_followed = making.not_followed or f"{', '.join(above)} of {path}"
        here = [key for key in _NOT_FOLLOWED if at(content, key) not in (None, [])]
        if any(at(one, "fields") is not None for one in items_at(content, "labels")):
            here.append("labels.fields")
        for what in (making.not_followed, here and f"{', '.join(here)} of {path}", additions.not_followed):
            if what:
                making.doubt(what)
        for number, one in enumerate(items_at(content, "replacements")):
            what = f"replacements[{number}] of {path}"
            targets = [at(target, "select") for target in items_at(one, "targets")]
            for selected in targets or [None]:
                try:
                    making.doubt(what, Target.of(partial(written_at, selected or {})))
                except InvalidSelector:
                    making.doubt(what)

    def _label(self, making: Making, content: Value, additions: Additions) -> None:
        labels: dict[str, str] = {}
        for one in items_at(content, "labels"):
            labels |= texts_of(one, "pairs")
        labels |= {**texts_of(content, "commonLabels"), **dict(additions.labels)}
        annotations = {**texts_of(content, "commonAnnotations"), **dict(additions.annotations)}
        if labels:
            making.label(labels)
        if annotations:
            making.annotate(annotations)

    def _patch(self, making: Making, content: Value, path: str, keys: Iterable[str]) -> None:
        for key in keys:
            if at(content, key) is not None:
                patches, problems = read_patches(content, key, path, self._documents_in)
                making.problems += ((path, problem) for problem in problems)
                making.patch(patches, path)

    def _documents_in(self, path: str) -> Sequence[Value] | None:
        """The documents of a file that may be a patch: what was read of it, else what it says."""
        known = self._sources.documents.get(path)
        content = None if known else self._sources.read(path)
        if content is None or len(content) > _LONGEST_PATCH:
            return known or None
        try:
            return read_patch(decode(content).characters)
        except Unparsable:
            return None


def rank(path: str) -> int:
    """Of several names in one folder the first of kustomize's counts."""
    return KUSTOMIZE_FILES.index(basename(path))


def _read_names(content: Value) -> Iterator[str]:
    """The files that a kustomization.yaml reads beside its resources and components."""
    for key in ("crds", "configurations", "generators", "transformers", "validators", "patchesStrategicMerge"):
        yield from (text for one in items_at(content, key) if (text := text_of(one)) and "\n" not in text)
    for key in ("patches", "patchesJson6902", "replacements"):
        yield from filter(None, (written_at(one, "path") for one in items_at(content, key)))
    for key in ("configMapGenerator", "secretGenerator"):
        for one in items_at(content, key):
            for part in ("files", "envs", "env"):
                yield from (text_of(name).rpartition("=")[2] for name in items_at(one, part))
    for one in items_at(content, "helmCharts"):
        yield from filter(None, [written_at(one, "valuesFile"), *map(text_of, items_at(one, "additionalValuesFiles"))])
    yield from filter(None, [written_at(content, "openapi", "path")])
