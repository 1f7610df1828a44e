"""What builds published of the policies that move by build: a release is whole only with all of it."""

from collections import defaultdict
from dataclasses import replace

from app.core.images import ImageName
from app.core.promotion.rules import Rules, Together
from app.core.promotion.state import LaneState, PolicyState
from app.core.promotion.walk import MOST_CANDIDATES
from app.db import build_reports
from app.services.lane.run import LaneRun


def with_published(run: LaneRun, state: LaneState) -> LaneState:
    """The state with all that those builds published of which such a policy has a tag, or may get one."""
    by_image: dict[ImageName, list[str]] = defaultdict(list)
    builds: set[str] = set()
    for one in state.policies:
        if one.policy.image is not None and _moves_by_build(one, state.rules):
            by_image[run.systems.known_as(one.policy.image)].append(str(one.name))
            builds |= _builds_of(one)
    if not builds:
        return state
    with run.database.transaction() as connection:
        found = build_reports.published_by(connection, builds)
    return replace(
        state,
        published={
            build: {name: tags for image, tags in images.items() for name in by_image.get(image, ())}
            for build, images in found.items()
        },
    )


def _moves_by_build(one: PolicyState, rules: Rules) -> bool:
    stages = {place.stage for place in one.fields} | one.refused.keys()
    return any(rules.group_of(one.name, stage).together is Together.SAME_BUILD for stage in stages)


def _builds_of(one: PolicyState) -> set[str]:
    there = {place.own_tag for place in one.fields if place.own_tag is not None}
    ranked = [found.ranked[:MOST_CANDIDATES] for found in (one.selection, one.with_changes) if found is not None]
    wanted = there.union(*ranked)
    return {report.build_id for tag in wanted if tag in one.tags for report in one.tags[tag].reports}
