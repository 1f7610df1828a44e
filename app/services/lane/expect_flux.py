"""Expect of Flux, and of deployers: what applies in which cluster what a stage has, and what keeps it from that."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from app.core.facts import DEPLOYER
from app.core.flux.objects import FluxKustomization
from app.core.flux.tree import FluxTree
from app.core.flux.written import WrittenSource
from app.core.promotion.applying import place_name
from app.core.promotion.field_texts import tag_in
from app.db import cluster_states, promotions
from app.db.cluster_states import Expected, Place
from app.db.promotions import PromotionRow
from app.services.heads.view import HeadView
from app.services.lane.run import LaneRun
from app.services.systems import Source

_Tags = Mapping[tuple[str, str], set[str]]
_Found = defaultdict[tuple[str, str], set[str]]


@dataclass(frozen=True, slots=True)
class Held:
    """A place with the tags that Git has there, and what keeps Flux from applying them."""

    place: Place
    tags: frozenset[str]
    hindrance: str | None


def remember_expected(connection: Connection, lane: str, held: Iterable[Held]) -> None:
    """Write down where what the base head has should arrive, and which promotion brought it."""
    brought = promotions.merged_last(connection, lane)
    expected = [_expected(one, brought.get((one.place.stage, one.place.policy))) for one in held]
    cluster_states.expect(connection, lane, expected)


def _expected(held: Held, promotion: PromotionRow | None) -> Expected:
    came = promotion if promotion is not None and held.tags == {promotion.tag} else None
    several = f"its files have several tags: {', '.join(sorted(held.tags))}" if len(held.tags) > 1 else None
    return Expected(
        place=held.place,
        promotion_id=came.id if came else None,
        since=came.updated_at if came else None,
        hindrance=held.hindrance or several,
    )


def held_at(run: LaneRun, view: HeadView) -> Iterator[Held]:
    """Every place that the head has in the clusters which follow this lane."""
    of_builds = _tags_of_builds(view)
    for source in run.systems.sources.values():
        if source.origin.cluster is None or source.config_repo != run.repo.name:
            continue
        if source.is_deployer:
            if source.branch in {None, run.claim.branch}:
                yield from _held_by_deployer(run, view, source, source.origin.cluster)
            continue
        for one, hindrance in applying(view.tree, source, run.claim.branch):
            for (stage, policy), tags in of_builds.get(one.path if one.is_here else None, {}).items():
                name = f"{one.namespace}/{one.name}"
                yield Held(Place(run.lane, stage, policy, source.origin.cluster, name), frozenset(tags), hindrance)


def _held_by_deployer(run: LaneRun, view: HeadView, source: Source, cluster: str) -> Iterator[Held]:
    """What Git shows of a deployer is the folder alone: nothing there keeps it from deploying."""
    found: _Found = defaultdict(set)
    for one, stage in view.staged:
        tag = tag_in(one.marked.part, one.marked.text)
        if tag is not None and view.tree.deploys(source.root, one.file):
            found[stage, str(one.policy)].add(tag)
    for (stage, policy), tags in found.items():
        place = Place(run.lane, stage, policy, cluster, place_name(DEPLOYER, "", source.name))
        yield Held(place, frozenset(tags), None)


def applying(tree: FluxTree, source: Source, branch: str) -> Iterator[tuple[FluxKustomization, str | None]]:
    """The Kustomizations of a cluster that follow this branch, with what keeps them from applying what comes."""
    found = tree.brought_in(source.root or None)
    counts = Counter((one.namespace, one.name) for one in found)
    sources = tree.sources_in(source.root or None)
    for one in found:
        if counts[one.namespace, one.name] > 1:
            continue  # nothing that is told of it can be followed
        written = next((each for each in sources if _is_source_of(each, one)), None)
        if written is None or not written.branch or written.pinned or written.branch == branch:
            yield one, _hindrance(one, written)


def _is_source_of(source: WrittenSource, one: FluxKustomization) -> bool:
    is_named = (source.kind, source.name) == (one.source_kind, one.source_name)
    return is_named and source.namespace in {"", one.source_namespace}


def _hindrance(one: FluxKustomization, source: WrittenSource | None) -> str | None:
    if one.suspended:
        return "it is suspended in Git"
    if source is not None and source.is_suspended:
        return f"its {source.kind} {source.name} is suspended in Git"
    return f"its {source.kind} {source.name} is pinned to {source.pinned}" if source and source.pinned else None


def _tags_of_builds(view: HeadView) -> Mapping[str | None, _Tags]:
    """The tags that each stage and policy has in the files which the build of a folder reaches, by folder."""
    builds = view.tree.builds()
    found: dict[str | None, _Found] = defaultdict(lambda: defaultdict(set))
    for one, stage in view.staged:
        tag = tag_in(one.marked.part, one.marked.text)
        for folder in builds.holding(one.file) if tag is not None else ():
            found[folder][stage, str(one.policy)].add(tag or "")
    return found
