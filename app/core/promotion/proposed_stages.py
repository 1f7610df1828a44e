"""Stages for a repository that declares none, proposed from the names of its folders and files."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.core.promotion.rules import Rules, Stage

_ENVIRONMENTS = """\
local sandbox sbox snd playground lab demo ci dev develop development int integration sit test tst testing qa uat ithc
perf nonprod acc acceptance staging stage stg pre preprod preproduction prelive canary prd prod production live dr
"""
_RANK = {name: rank for rank, name in enumerate(_ENVIRONMENTS.split())}
_MOST_PATHS = 3


@dataclass(frozen=True, slots=True)
class ProposedStages:
    """Stages in the order in which tags mostly come to them, and the files that are in none."""

    stages: tuple[Stage, ...]
    outside: tuple[str, ...]


def propose_stages(files: Iterable[str]) -> ProposedStages | None:
    """Stages for the files that hold fields; None where no names tell two environments apart.

    >>> found = propose_stages(["apps/web/dev/app.yaml", "apps/web/prod/app.yaml", "apps/base/app.yaml"])
    >>> [(stage.name, stage.paths) for stage in found.stages], found.outside
    ([('dev', ('apps/web/dev',)), ('prod', ('apps/web/prod',))], ('apps/base/app.yaml',))
    """
    places = {file: list(_places(file)) for file in sorted(set(files))}
    siblings: dict[str, set[str]] = defaultdict(set)
    for found in places.values():
        for name, folders in found:
            siblings["/".join(folders[:-1])].add(name)
    known = {name for names in siblings.values() if len(names) > 1 for name in names}
    wanted: dict[str, str] = {}
    paths: dict[str, set[str]] = defaultdict(set)
    for file, found in places.items():
        meant = [one for one in found if one[0] in known]
        if meant:
            # An app may be called like an environment: what has most others beside it is meant.
            wanted[file], folders = max(meant, key=lambda one: len(siblings["/".join(one[1][:-1])]))
            paths[wanted[file]].add("/".join(folders))
    if len(paths) < 2:
        return None
    stages = _stages({name: _shortened(its) for name, its in paths.items()})
    if not _holds(stages, wanted):
        stages = _stages(paths)
    rules = Rules(stages=stages, has_declared_stages=True)
    return ProposedStages(stages, tuple(file for file in places if rules.stage_of(file) is None))


def _places(file: str) -> Iterator[tuple[str, Sequence[str]]]:
    """The environments that a path names, each with the path up to there."""
    segments = file.split("/")
    for number, segment in enumerate(segments, 1):
        name = (segment.partition(".")[0] if number == len(segments) else segment).lower()
        if name in _RANK and not any("*" in one or "?" in one for one in segments[:number]):
            yield name, segments[:number]


def _stages(paths: Mapping[str, Iterable[str]]) -> tuple[Stage, ...]:
    return tuple(Stage(name, tuple(sorted(paths[name]))) for name in sorted(paths, key=lambda one: _RANK[one]))


def _shortened(paths: Iterable[str]) -> Iterator[str]:
    """Many paths of one depth as one, with `*` for each folder that differs."""
    by_depth: dict[int, list[list[str]]] = defaultdict(list)
    for path in paths:
        by_depth[path.count("/")].append(path.split("/"))
    for alike in by_depth.values():
        if len(alike) <= _MOST_PATHS:
            yield from map("/".join, alike)
        else:
            yield "/".join(names[0] if len(set(names)) == 1 else "*" for names in zip(*alike, strict=True))


def _holds(stages: tuple[Stage, ...], wanted: Mapping[str, str]) -> bool:
    rules = Rules(stages=stages, has_declared_stages=True)
    found = {file: rules.stage_of(file) for file in wanted}
    return all(stage is not None and stage.name == wanted[file] for file, stage in found.items())
