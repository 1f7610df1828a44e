"""Stages for a repository that declares none, proposed from the names of its folders."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.core.promotion.rules import Rules, Stage

_ENVIRONMENTS = """\
local sandbox sbox snd playground lab demo ci dev develop development int integration sit test tst testing qa uat ithc
perf nonprod acc acceptance staging stage stg pre preprod preproduction prelive canary prd prod production live dr
"""
_RANK = {name: rank for rank, name in enumerate(_ENVIRONMENTS.split())}
_STAGE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_WILDCARD = re.compile(r"[*?]")
_MOST_PATHS = 3


@dataclass(frozen=True, slots=True)
class ProposedStages:
    """Stages in the order in which tags may come to them, and the files that would be in none."""

    stages: tuple[Stage, ...]
    outside: tuple[str, ...]


def propose_stages(files: Iterable[str]) -> ProposedStages | None:
    """Stages for the files that hold fields; None where folders tell no two environments apart.

    >>> found = propose_stages(["apps/web/dev/app.yaml", "apps/web/prod/app.yaml", "apps/base/app.yaml"])
    >>> [(stage.name, stage.paths) for stage in found.stages], found.outside
    ([('dev', ('apps/web/dev',)), ('prod', ('apps/web/prod',))], ('apps/base/app.yaml',))
    """
    paths: dict[str, set[str]] = defaultdict(set)
    outside = []
    everything = sorted(set(files))
    for file in everything:
        found = _environment(file)
        if found is None:
            outside.append(file)
        else:
            name, path = found
            paths[name].add(path)
    if len(paths) < 2:
        return None
    short = _stages({name: _shortened(each) for name, each in paths.items()})
    is_clear = all(_claimed(short, file) == _claimed(_stages(paths), file) for file in everything)
    return ProposedStages(short if is_clear else _stages(paths), tuple(outside))


def _environment(file: str) -> tuple[str, str] | None:
    """The environment that a path names, and the path up to there; a whole name says more than a part of one."""
    segments = file.split("/")
    names = [*segments[:-1], segments[-1].partition(".")[0]]
    for rank_of in (_whole, _part):
        for number, name in enumerate(names):
            if rank_of(name) is not None and _STAGE.fullmatch(name.lower()):
                path = "/".join(segments[: number + 1])
                return None if _WILDCARD.search(path) else (name.lower(), path)
    return None


def _whole(name: str) -> int | None:
    return _RANK.get(name.lower())


def _part(name: str) -> int | None:
    """A name's rank by its first or last part: `prod-eu`, `c2-production`."""
    first, *others = re.split(r"[-_]", name.lower())
    return next((_RANK[one] for one in (*others[-1:], first) if others and one in _RANK), None)


def _rank(name: str) -> tuple[int, str]:
    rank = _whole(name)
    rank = _part(name) if rank is None else rank
    return (len(_RANK) if rank is None else rank, name)


def _stages(paths: Mapping[str, Iterable[str]]) -> tuple[Stage, ...]:
    return tuple(Stage(name, tuple(sorted(paths[name]))) for name in sorted(paths, key=_rank))


def _shortened(paths: Iterable[str]) -> Sequence[str]:
    """Many paths as patterns: one for each depth, with `*` for each folder that differs."""
    alike: dict[tuple[int, str], list[list[str]]] = defaultdict(list)
    for path in sorted(paths):
        segments = path.split("/")
        alike[len(segments), segments[-1]].append(segments)
    return [
        pattern
        for same in alike.values()
        for pattern in (
            map("/".join, same)
            if len(same) <= _MOST_PATHS
            else ["/".join(names[0] if len(set(names)) == 1 else "*" for names in zip(*same, strict=True))]
        )
    ]


def _claimed(stages: tuple[Stage, ...], file: str) -> list[str]:
    rules = Rules(stages=stages, has_declared_stages=True)
    return [stage.name for stage in rules.stages_of(file)]
