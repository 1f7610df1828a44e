"""Read a timeline: what happened to a tag, or to the tags of a policy, from build to cluster, in one order of time.

The times are those of this machine, when it learned of each thing: one clock for what many systems tell.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import Connection

from app.core.facts import US
from app.core.flux.objects import PolicyName
from app.core.images import ImageName, InvalidImage
from app.core.ports import PullRequestState
from app.core.promotion.holds import Hold, HoldKind
from app.db import applications, catalogue, holds, policies, promotion_events, promotions, pull_requests, requests
from app.db.applications import ApplicationRow
from app.db.holds import HoldRow
from app.db.promotion_events import EventRow
from app.db.promotions import PromotionFilters, PromotionRow, PromotionState
from app.db.pull_requests import PullRequestRow
from app.services.reading.pages import Shown
from app.services.reading.policies import NoSuchPolicy, is_named
from app.services.reading.requests import words_on
from app.services.reading.tag_explained import (
    MOST_POLICIES,
    AskedTag,
    TellingView,
    builds_told_of,
    promotions_of,
    pushes_told_of,
)
from app.services.systems import Systems

_CLOSED_BY_US = (PullRequestState.CLOSED, US)


class HappeningView(BaseModel):
    """One thing that happened.

    `what`: build, seen, chosen, set (in Git, by others), waiting, proposed, refused, superseded, closed, merged,
    reverted, held, denied, hold ended, asked (a person, for a rollback or promotion), request ended, or how a cluster
    fared: applied, not healthy, overridden, failed, replaced.
    `who` is a person, a source, a cluster's Kustomization or Fluxbridge itself.
    """

    at: datetime
    what: str
    tag: Shown
    repo: str | None = None
    stage: str | None = None
    policy: Shown | None = None
    cluster: str | None = None
    who: Shown
    words: Shown
    link: Shown | None = None


class Timeline(BaseModel):
    """What happened, oldest first; of a tag `image` is its name under its registry's own host."""

    image: str | None
    tag: Shown | None
    happenings: list[HappeningView]


def timeline_of_tag(connection: Connection, systems: Systems, text: str, *, now: datetime) -> Timeline:
    """What happened to `image:tag` in every policy of its image. Raises InvalidImage, NoTagNamed."""
    asked = AskedTag.parse(text, systems)
    rows = policies.of_repository(connection, asked.image, limit=MOST_POLICIES)
    moved = [
        one
        for row in rows
        for one in promotions_of(connection, row, asked.tag)
        if _image_of(one, systems) in {None, asked.image}
    ]
    happenings = [*_told(connection, asked), *_Moves(connection, moved, systems, now).happenings(asked.tag)]
    return Timeline(image=str(asked.image), tag=asked.tag, happenings=_in_order(happenings))


def timeline_of_policy(  # noqa: PLR0913 (what is asked, all named)
    connection: Connection, systems: Systems, *, policy: PolicyName, repo: str | None, limit: int, now: datetime
) -> Timeline:
    """What happened to the tags that a policy moved to last, at most so many moves. Raises NoSuchPolicy."""
    name = str(policy)
    page = promotions.page(connection, PromotionFilters(repo=repo, policy=name), limit=limit)
    if not page.items and not _is_known(connection, policy, repo):
        raise NoSuchPolicy(policy.namespace, policy.name, policies.names(connection))
    asked = {(image, row.tag) for row in page.items if (image := _image_of(row, systems)) is not None}
    told = [one for image, tag in sorted(asked) for one in _told(connection, AskedTag(image, tag, systems))]
    moves = _Moves(connection, page.items, systems, now).happenings()
    return Timeline(image=None, tag=None, happenings=_in_order([*told, *moves]))


def _is_known(connection: Connection, policy: PolicyName, repo: str | None) -> bool:
    rows = policies.find(connection, policy.namespace, policy.name)
    return any(
        repo in {None, row.lane.partition(":")[0]}
        and is_named(str(PolicyName(row.root, row.namespace, row.name)), str(policy))
        for row in rows
    )


def _image_of(row: PromotionRow, systems: Systems) -> ImageName | None:
    try:
        return systems.known_as(ImageName.parse_any(row.image))
    except InvalidImage:
        return None


def _in_order(happenings: Sequence[HappeningView]) -> list[HappeningView]:
    return sorted(happenings, key=lambda one: one.at)


def _told(connection: Connection, asked: AskedTag) -> Iterator[HappeningView]:
    """The builds of a tag, and who told of it: the delivery of a build is not told once more as a push."""
    known = catalogue.find_tag(connection, asked.image, asked.tag)
    made = list(builds_told_of(connection, asked, known.digest if known else None))
    pushed = list(pushes_told_of(connection, asked))
    for one in made:
        yield _telling("build", asked, one)
    by_builds = {one.delivery for one in made if one.delivery is not None}
    for one in pushed:
        if one.delivery not in by_builds:
            yield _telling("seen", asked, one)
    if known is not None and known.presence.is_shown and all(one.at > known.first_seen_at for one in pushed):
        words = "no webhook told of it: its registry showed it, to a sweep or a run of the lane"
        yield HappeningView(at=known.first_seen_at, what="seen", tag=asked.tag, who=US, words=words)


def _telling(what: str, asked: AskedTag, one: TellingView) -> HappeningView:
    how = f"by webhook, delivery {one.delivery}" if one.delivery else "by a sweep"
    how = f"Jenkins {one.controller}; {how}" if one.controller else how
    return HappeningView(at=one.at, what=what, tag=asked.tag, who=one.source, words=f"{one.what}; {how}", link=one.link)


@dataclass(frozen=True, slots=True)
class _Moves:
    """Promotions with all that happened to them, read for all at once."""

    connection: Connection
    rows: Sequence[PromotionRow]
    systems: Systems
    now: datetime

    def happenings(self, tag: str | None = None) -> Iterator[HappeningView]:
        """What happened to them, and to the holds on their places, on a tag or on any."""
        of_id = {row.id: row for row in self.rows}
        pulls = self._pulls()
        begun: set[str] = set()
        for event in promotion_events.of_promotions(self.connection, of_id):
            row = of_id[event.promotion_id]
            pull = pulls.get((row.lane, row.pull_request or 0))
            yield _moved(row, event, pull, is_first=row.id not in begun)
            begun.add(row.id)
        for line in applications.of_promotions(self.connection, of_id):
            yield _fared(of_id[line.promotion_id], line)
        for row in self.rows:
            pull = pulls.pop((row.lane, row.pull_request or 0), None)
            if pull is not None and pull.ended_at is not None and (pull.state, pull.ended_by) == _CLOSED_BY_US:
                words = f"pull request {pull.number} was closed"
                yield _happening(row, "closed", at=pull.ended_at, who=US, words=words, link=pull.url)
        yield from self._holds(tag)
        yield from self._requests(tag)

    def _requests(self, tag: str | None) -> Iterator[HappeningView]:
        """What people asked for in the places of these promotions, and how it ended."""
        places = {(row.lane, row.stage, row.policy): row for row in self.rows}
        for lane, policy in sorted({(row.lane, row.policy) for row in self.rows}):
            for one in requests.of_policy(self.connection, lane, policy):
                place = places.get((lane, one.request.stage, policy))
                target = one.request.target_of(policy)
                if place is None or target is None or tag not in {None, target.tag}:
                    continue
                words, who = words_on(one, target), one.request.who
                yield _happening(place, "asked", at=one.request.since, who=who, words=words, tag=target.tag)
                if one.ended_at is not None:
                    told = {"who": one.ended_by or US, "words": f"{one.state}: {one.ended_why or one.request.why}"}
                    yield _happening(place, "request ended", at=one.ended_at, tag=target.tag, **told)

    def _pulls(self) -> dict[tuple[str, int], PullRequestRow]:
        numbers: dict[str, set[int]] = defaultdict(set)
        for row in self.rows:
            if row.pull_request is not None:
                numbers[row.lane].add(row.pull_request)
        return {
            (lane, pull.number): pull
            for lane, its in numbers.items()
            for pull in pull_requests.numbered(self.connection, lane, its)
        }

    def _holds(self, tag: str | None) -> Iterator[HappeningView]:
        places = {(row.lane, row.stage, row.policy): row for row in self.rows}
        for lane, policy in sorted({(row.lane, row.policy) for row in self.rows}):
            for one in holds.of_policy(self.connection, lane, policy):
                hold = one.hold
                place = next((row for at, row in places.items() if at[0] == lane and self._is_on(hold, row)), None)
                if place is None or (tag is not None and hold.tags is not None and tag not in hold.tags):
                    continue
                what = "denied" if hold.kind is HoldKind.DENIED else "held"
                is_told = hold.kind is HoldKind.ROLLED_BACK  # by the request that made it
                for held in _tags_of(hold, {row.tag for row in self.rows} if tag is None else {tag}):
                    if not is_told:
                        yield _happening(place, what, at=hold.since, who=hold.who, words=hold.why, tag=held)
                    end = _end_of(one, self.now)
                    if end is not None:
                        at, who, words = end
                        yield _happening(place, "hold ended", at=at, who=who, words=words, tag=held)

    def _is_on(self, hold: Hold, row: PromotionRow) -> bool:
        """Whether a hold is on the place of a promotion, and on its image or digest where it names one."""
        if not hold.reaches(row.stage, row.policy) or hold.digest not in {None, row.digest}:
            return False
        return hold.image is None or hold.image == _image_of(row, self.systems)


def _tags_of(hold: Hold, asked: AbstractSet[str]) -> Sequence[str | None]:
    """The tags of a hold that are told of; of those that are denied, which may be many, only what is asked about."""
    if hold.kind is HoldKind.DENIED and hold.tags is not None:
        return sorted(asked & set(hold.tags))
    return hold.tags or (None,)


def _end_of(one: HoldRow, now: datetime) -> tuple[datetime, str, str] | None:
    """When a hold ended, by whom and why; None while it lasts."""
    hold = one.hold
    if hold.until is not None and hold.is_over(one.lifted_at or now):
        return hold.until, US, f"{hold.why}, until {hold.until:%Y-%m-%d %H:%M} UTC"
    if one.lifted_at is None:
        return None
    return one.lifted_at, one.lifted_by or US, one.lifted_why or hold.why


def _moved(row: PromotionRow, event: EventRow, pull: PullRequestRow | None, *, is_first: bool) -> HappeningView:
    what, words, link = event.what, event.reason, None
    if is_first and event.what == PromotionState.WAITING:
        what = "set" if row.origin == "git" else "chosen"
        words = f"instead of {row.from_tag}: {words}" if row.from_tag else words
    elif event.what == PromotionState.PROPOSED and pull is not None:
        done = "updated" if event.at > pull.opened_at else "opened"
        words, link = f"pull request {pull.number} {done}: {words}", pull.url
    return _happening(row, what, at=event.at, who=event.who, words=words, link=link)


def _fared(row: PromotionRow, line: ApplicationRow) -> HappeningView:
    words = f"{line.revision}{f': {line.message}' if line.message else ''}"
    found = _happening(row, line.state, at=line.recorded_at, who=line.kustomization, words=words)
    return found.model_copy(update={"cluster": line.cluster})


def _happening(  # noqa: PLR0913 (what happened where, by whom)
    row: PromotionRow,
    what: str,
    *,
    at: datetime,
    who: str,
    words: str,
    link: str | None = None,
    tag: str | None = None,
) -> HappeningView:
    return HappeningView(
        at=at,
        what=what,
        tag=tag or row.tag,
        repo=row.repo,
        stage=row.stage,
        policy=row.policy,
        who=who,
        words=words,
        link=link,
    )
