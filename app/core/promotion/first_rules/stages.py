"""Stages for a config repository's fields: paths that hold each file once, as the rules will read them."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from app.core.promotion.declared_fields import has_too_many_wildcards
from app.core.promotion.first_rules.environments import Environments, Place, key_of, rank_of, stage_name
from app.core.promotion.first_rules.texts import LONGEST_PATH, can_be_written, quoted
from app.core.promotion.rules import Rules, Stage
from app.core.promotion.stage_paths import MOST_PATTERNS, literal_part

_WILDCARDS = frozenset("*?")
_NOT_KNOWN = "others"
_MOST_TEXT = 50_000
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
class AppliedElsewhere:
    """A file that is called after one environment and applied in clusters of others."""

    file: str
    stage: str
    applied_in: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FirstStages:
    """Every file with fields is in one of the stages, or `left`."""

    stages: tuple[FirstStage, ...] = ()
    left: tuple[InNoStage, ...] = ()
    elsewhere: tuple[AppliedElsewhere, ...] = ()


def propose_stages(
    files: Collection[str], applied_by: Mapping[str, Collection[str]], roots: Iterable[str]
) -> FirstStages:
    """Propose stages for files with fields, given the roots that bring each into their clusters.

    Where nothing tells environments apart there are none, and no file is left: all are in the one stage of rules
    without any.
    """
    environments = Environments.of(tuple(roots), files)
    chosen = _Chosen()
    for file in sorted(files):
        applied = environments.applying(applied_by.get(file, ()))
        place = environments.by_name(file, applied_by.get(file, ()))
        if place is not None:
            chosen.places.append(place)
        elif len(applied) == 1 and "" not in applied:
            chosen.single[file] = next(iter(applied))
    names = _names(chosen, environments)
    stages, wrong = _fitting(chosen, names)
    if not stages:
        return FirstStages()

    def applied_in(file: str) -> tuple[str, ...]:
        keys = environments.applying(applied_by.get(file, ()))
        return tuple(names[key] if key else _NOT_KNOWN for key in sorted(keys, key=rank_of))

    placed = {place.file for place in chosen.places} | chosen.single.keys()
    return FirstStages(
        stages,
        tuple(InNoStage(file, applied_in(file)) for file in sorted(files) if file not in placed or file in wrong),
        tuple(
            AppliedElsewhere(place.file, names[place.key], applied_in(place.file))
            for place in chosen.places
            if place.file not in wrong and environments.is_of_roots(place.key)
            if environments.applying(applied_by.get(place.file, ())) - {place.key}
        ),
    )


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The environments of files: by a place in their path, or for single ones."""

    places: list[Place] = field(default_factory=list)
    single: dict[str, str] = field(default_factory=dict)


def _names(chosen: _Chosen, environments: Environments) -> Mapping[str, str]:
    """What each environment is called: as most files spell it, or else as roots do."""
    spelled: dict[str, Counter[str]] = defaultdict(Counter)
    for root in sorted(environments.of_roots):
        spelled[key_of(environments.of_roots[root])][stage_name(environments.of_roots[root])] += 1
    in_files: dict[str, Counter[str]] = defaultdict(Counter)
    for place in chosen.places:
        in_files[place.key][stage_name(place.word)] += 1
    return {key: _most(in_files.get(key) or spelled[key]) for key in {*spelled, *in_files}}


def _most(counted: Counter[str]) -> str:
    return min(counted, key=lambda name: (-counted[name], name))


def _fitting(chosen: _Chosen, names: Mapping[str, str]) -> tuple[tuple[FirstStage, ...], set[str]]:
    """The stages, and the files that their paths cannot hold.

    A file that a pattern of another stage claims too is named itself: nothing is nearer to it.
    """
    wanted = {place.file: names[place.key] for place in chosen.places}
    paths = _bounded(_patterns(chosen.places, names))
    single = {file: names[key] for file, key in chosen.single.items()}
    claimed = _misplaced(paths, wanted)
    named = _bounded((wanted[file], file) for file in sorted(claimed) if _WILDCARDS.isdisjoint(file))
    alone = _bounded((single[file], file) for file in sorted(single) if _WILDCARDS.isdisjoint(file))
    wrong = _misplaced([*paths, *named, *alone], wanted | single)
    found = {name for name, _ in (*paths, *named, *alone)}
    keys = {name: key for key, name in names.items()}
    return tuple(
        FirstStage(
            name,
            tuple(dict.fromkeys(path for owner, path in (*paths, *named) if owner == name)),
            tuple(path for owner, path in alone if owner == name),
        )
        for name in sorted(found, key=lambda one: rank_of(keys[one]))
    ), wrong


def _misplaced(paths: Iterable[tuple[str, str]], wanted: Mapping[str, str]) -> set[str]:
    """The files that these paths of stages do not put where they are wanted."""
    by_stage: dict[str, list[str]] = defaultdict(list)
    for name, path in paths:
        by_stage[name].append(path)
    rules = Rules(stages=tuple(Stage(name, tuple(its)) for name, its in by_stage.items()), has_declared_stages=True)
    found = {file: rules.stage_of(file) for file in wanted}
    return {file for file, stage in found.items() if stage is None or stage.name != wanted[file]}


def _patterns(places: Iterable[Place], names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """A path for each place, with `*` for the folders above it that differ between places of one shape."""
    shapes: dict[tuple[int, str, str], list[tuple[Place, list[str]]]] = defaultdict(list)
    for place in places:
        if _WILDCARDS.isdisjoint(place.file):
            segments = place.file.split("/")
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
        length += len(quoted(path)) + _AROUND
        patterns += literal_part(path) != path
        if length > _MOST_TEXT or patterns > MOST_PATTERNS:
            break
        kept[name, path] = None
    return list(kept)


def _is_taken(path: str) -> bool:
    return len(path) <= LONGEST_PATH and not has_too_many_wildcards(path) and can_be_written(path)
