"""Follow renames: what is known of a place moves along when its fields are found under other names.

A place is a stage and a policy. A stage gets another name in the rules; a policy when another root is found to have it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from app.core.flux.tree import Report
from app.core.promotion.holds import Hold
from app.core.promotion.rules import RULES_FILE
from app.db import cluster_states, fields, holds, promotions, pull_requests, requests
from app.services.heads.view import HeadView
from app.services.lane.run import LaneRun

Place = tuple[str, str]
"""A stage and a policy."""


def follow_renames(run: LaneRun, view: HeadView) -> bool:
    """Move holds, pull requests and history from places that are no more to those that have their files.

    Returns whether there were any. The first run of a new version may find other names in the same commit.
    """
    if run.claim.last_head is None:
        return False
    now = _files_by_policy(view)
    stages = {stage.name for stage in view.rules.stages}
    with run.database.transaction() as connection:
        then = _files_of((row.stage, row.policy, row.file) for row in fields.of(connection, run.lane))
    count = 0
    for old, files in sorted(then.items()):
        new = _new_name(old, files, now, is_stage_gone=old[0] not in stages)
        if new is None:
            continue
        with run.writing() as connection:
            if not _is_known(connection, run.lane, new):
                count += sum(
                    collection.rename(connection, run.lane, old, new)
                    for collection in (holds, pull_requests, promotions, requests, cluster_states)
                )
    return count > 0


def orphans(view: HeadView, held: tuple[Hold, ...]) -> Iterator[Report]:
    """Holds whose stage and policy are no longer on the base branch together: they stop nothing, and are told."""
    present = {(stage, policy) for policy, stages in _files_by_policy(view).items() for stage in stages}
    for one in held:
        if one.tags is not None and None not in (one.stage, one.policy) and (one.stage, one.policy) not in present:
            what = f"{', '.join(one.tags)} of {one.policy} is held in {one.stage} by {one.who} ({one.why})"
            yield Report(RULES_FILE, None, f"{what}, but no field of that policy is in a stage of that name")


def _files_of(places: Iterator[tuple[str, str, str]]) -> Mapping[Place, frozenset[str]]:
    found: dict[Place, set[str]] = defaultdict(set)
    for stage, policy, file in places:
        found[stage, policy].add(file)
    return {place: frozenset(files) for place, files in found.items()}


@dataclass(slots=True)
class _Files:
    """The files that a policy has in a stage: of fields, and of those that are refused."""

    sure: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)

    def may_be(self, files: frozenset[str]) -> bool:
        """Whether the fields were in these files: what is refused now was perhaps none then either."""
        return self.sure <= files <= self.sure | self.refused


def _files_by_policy(view: HeadView) -> Mapping[str, Mapping[str, _Files]]:
    """The files of each policy by stage."""
    found: dict[str, dict[str, _Files]] = defaultdict(lambda: defaultdict(_Files))
    for one, stage in view.staged:
        found[str(one.policy)][stage].sure.add(one.file)
    for kept_back, stage in view.refused:
        found[str(kept_back.policy)][stage].refused.add(kept_back.file)
    return found


def _new_name(
    old: Place,
    files: frozenset[str],
    now: Mapping[str, Mapping[str, _Files]],
    *,
    is_stage_gone: bool,
) -> Place | None:
    """The one place that has the files of a place now which is no more."""
    if old[1] not in now:
        short = old[1].rpartition(":")[2]
        found = [
            (old[0], policy)
            for policy, its in now.items()
            if policy.rpartition(":")[2] == short and old[0] in its and its[old[0]].may_be(files)
        ]
    elif is_stage_gone:
        found = [(stage, old[1]) for stage, theirs in now[old[1]].items() if theirs.may_be(files)]
    else:
        found = []
    return found[0] if len(found) == 1 else None


def _is_known(connection: Connection, lane: str, place: Place) -> bool:
    """Whether something happened in a place already: two histories are not made one."""
    stage, policy = place
    return stage in promotions.stages_of(connection, lane, policy)
