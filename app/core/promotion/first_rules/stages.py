"""Stages for a config repository's fields: paths that hold each file once, as the rules will read them."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from app.core.promotion.first_rules.environments import Environments, Place, key_of, rank_of, stage_name
from app.core.promotion.first_rules.texts import LONGEST_PATH, can_be_written, quoted
from app.core.promotion.rules import Rules, Stage
from app.core.promotion.rules_fields import has_too_many_wildcards
from app.core.promotion.stage_paths import MOST_PATTERNS, literal_part

_WILDCARDS = frozenset("*?")
_NOT_KNOWN = "others"
_MOST_TEXT = 30_000
_AROUND = 10


@dataclass(frozen=True, slots=True)
class FirstStage:
    """A stage to begin with: `paths` by names of folders and files, `single_files` by whose clusters apply them."""

    name: str
    paths: tuple[str, ...]
    single_files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InNoStage:
    """A file whose stage a person has to tell; `applied_in` are the environments whose clusters apply it."""

    file: str
    applied_in: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AlsoElsewhere:
    """A file that its path puts into a stage, and that is for other environments too."""

    file: str
    stage: str
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FirstStages:
    """Every file with fields is in one of the stages, or `left`."""

    stages: tuple[FirstStage, ...] = ()
    left: tuple[InNoStage, ...] = ()
    elsewhere: tuple[AlsoElsewhere, ...] = ()


def propose_stages(
    files: Collection[str], applied_by: Mapping[str, Collection[str]], roots: Iterable[str]
) -> FirstStages:
    """Propose stages for files with fields, given the roots that bring each into their clusters.

    Where nothing tells environments apart there are none, and no file is left: all are in the one stage of rules
    without any.
    """
    environments = Environments.of(tuple(roots), files)
    applied = {file: environments.applying(applied_by.get(file, ())) for file in sorted(files)}
    chosen = _Chosen()
    for file, keys in applied.items():
        place = environments.by_name(file, keys)
        if place is not None:
            chosen.places[file] = place
        elif len(keys) == 1 and "" not in keys:
            chosen.single[file] = next(iter(keys))
    names = _names(chosen, environments)
    stages, held = _fitting(chosen, names, applied)
    if not stages:
        return FirstStages()

    def named(keys: Iterable[str]) -> tuple[str, ...]:
        return tuple(names[key] if key else _NOT_KNOWN for key in sorted(keys, key=rank_of))

    keys_of = {name: key for key, name in names.items()}
    others = {
        file: chosen.keys_of(file) | (applied[file] if environments.is_of_roots(keys_of[stage]) else set())
        for file, stage in held.items()
    }
    return FirstStages(
        stages,
        tuple(InNoStage(file, named(keys)) for file, keys in applied.items() if file not in held),
        tuple(
            AlsoElsewhere(file, held[file], named(others[file] - {keys_of[held[file]]}))
            for file in applied
            if file in held and others[file] - {keys_of[held[file]]}
        ),
    )


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The environments of files: by a place in their path, or for single ones."""

    places: dict[str, Place] = field(default_factory=dict)
    single: dict[str, str] = field(default_factory=dict)

    def keys_of(self, file: str) -> set[str]:
        """The environment of a file, where it is known."""
        found = self.places[file].key if file in self.places else self.single.get(file)
        return set() if found is None else {found}


def _names(chosen: _Chosen, environments: Environments) -> Mapping[str, str]:
    """What each environment is called: as most files spell it, or else as roots do."""
    spelled: dict[str, Counter[str]] = defaultdict(Counter)
    for root in sorted(environments.of_roots):
        spelled[key_of(environments.of_roots[root])][stage_name(environments.of_roots[root])] += 1
    in_files: dict[str, Counter[str]] = defaultdict(Counter)
    for place in chosen.places.values():
        in_files[place.key][stage_name(place.word)] += 1
    return {key: _most(in_files.get(key) or spelled[key]) for key in {*spelled, *in_files}}


def _most(counted: Counter[str]) -> str:
    return min(counted, key=lambda name: (-counted[name], name))


def _fitting(
    chosen: _Chosen, names: Mapping[str, str], files: Iterable[str]
) -> tuple[tuple[FirstStage, ...], Mapping[str, str]]:
    """The stages, and the name of the one that holds each file.

    A file that a pattern of another stage claims too is named itself: nothing is nearer to it.
    """
    wanted = {file: names[place.key] for file, place in chosen.places.items()}
    single = {file: names[key] for file, key in chosen.single.items()}
    paths = _bounded(_patterns(chosen.places.values(), names))
    held = _held(paths, files)
    claimed = [file for file in wanted if held.get(file) != wanted[file]]
    named = _bounded((wanted[file], file) for file in claimed if _WILDCARDS.isdisjoint(file))
    alone = _bounded((single[file], file) for file in single if _WILDCARDS.isdisjoint(file))
    held |= {file: name for name, file in (*named, *alone)}
    ranks = {name: rank_of(key) for key, name in names.items()}
    stages = [
        FirstStage(
            name,
            tuple(dict.fromkeys(path for owner, path in (*paths, *named) if owner == name)),
            tuple(path for owner, path in alone if owner == name),
        )
        for name in sorted({name for name, _ in (*paths, *named, *alone)}, key=ranks.__getitem__)
    ]
    return tuple(stages), held


def _held(paths: Iterable[tuple[str, str]], files: Iterable[str]) -> dict[str, str]:
    """The stage of each file that has one, by the rules themselves."""
    by_stage: dict[str, list[str]] = defaultdict(list)
    for name, path in paths:
        by_stage[name].append(path)
    rules = Rules(stages=tuple(Stage(name, tuple(its)) for name, its in by_stage.items()), has_declared_stages=True)
    return {file: stage.name for file in files if (stage := rules.stage_of(file)) is not None}


def _patterns(places: Iterable[Place], names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A path for each place, with `*` for the folders above it that differ between places of one shape."""
    shapes: dict[tuple[int, str, str], list[tuple[Place, list[str]]]] = defaultdict(list)
    for place in places:
        segments = place.file.split("/")
        if _WILDCARDS.isdisjoint("/".join(segments[: place.index + 1])):
            shapes[place.index, segments[0] if place.index else "", place.form].append((place, segments))
    for index, top, form in sorted(shapes):
        alike = shapes[index, top, form]
        columns = [{segments[column] for _, segments in alike} for column in range(index)]
        above = [next(iter(column)) if len(column) == 1 else "*" for column in columns]
        for place, segments in alike:
            yield names[place.key], "/".join((*above, segments[index]))


def _bounded(paths: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that rules take, each once, and no more than a file of rules holds."""
    kept: dict[tuple[str, str], None] = {}
    length = patterns = 0
    for name, path in paths:
        if (name, path) in kept or not _is_taken(path):
            continue
        length += len(quoted(path).encode()) + _AROUND
        patterns += literal_part(path) != path
        if length > _MOST_TEXT or patterns > MOST_PATTERNS:
            break
        kept[name, path] = None
    return list(kept)


def _is_taken(path: str) -> bool:
    return len(path) <= LONGEST_PATH and not has_too_many_wildcards(path) and can_be_written(path)
