"""Read stages: what is where now, and how it came there."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import Connection

from app.core.images import ImageName, InvalidImage, is_digest
from app.core.promotion.holds import Hold, HoldIndex, HoldKind, Stops
from app.core.promotion.tags import TagState, bad_build, present_build
from app.core.promotion.walk import denied_words
from app.db import build_reports, fields, holds, lanes, promotions, requests
from app.db.lanes import LaneRow
from app.db.pages import cut, decode_cursor, encode_cursor
from app.db.promotions import PromotionRow
from app.db.requests import RequestRow
from app.services.catalogue.tag_states import states_of_tags
from app.services.reading.builds import BuildLink, build_link
from app.services.reading.cluster_states import ClusterStateReader, ClusterStateView
from app.services.reading.pages import Line, Listing, Paging, Shown
from app.services.reading.policies import is_named
from app.services.reading.pull_requests import PullRequestLink, pull_request_link
from app.services.reading.requests import words_on
from app.services.systems import Systems


class StageView(BaseModel):
    """What one policy has in one stage now, and how it came there; None where nobody saw it come.

    `doubtful` says what speaks against the tag that is there; `applied` how each cluster stands. `held` is what stops
    other tags there, and `asked` what somebody asked for, each with who, why and until when.
    """

    repo: str
    branch: str
    stage: str
    policy: str
    image: str
    tag: str | None
    digest: str | None
    build: BuildLink | None
    pull_request: PullRequestLink | None
    merged_by: str | None
    merged_at: datetime | None
    merge_commit: str | None
    origin: str | None
    promotion: str | None
    doubtful: str | None
    held: Shown | None = None
    asked: Shown | None = None
    applied: list[ClusterStateView]


class StageFilters(Paging):
    """Which places; `policy` is its whole name or only the last part."""

    repo: Line | None = None
    stage: Line | None = None
    policy: Line | None = None
    image: Line | None = None


def list_stages(
    connection: Connection, systems: Systems, filters: StageFilters, *, now: datetime
) -> Listing[StageView]:
    """What is where now, by repo, branch, stage and policy. Raises InvalidCursor.

    Fields of one policy in one stage that hold different tags are shown one by one.
    """
    after = _Place(*map(str, decode_cursor(filters.after, str, str, str, str))) if filters.after else None
    known = {lane.key: lane for lane in lanes.every(connection) if filters.repo in {None, lane.repo}}
    places = [
        place
        for key in known
        for place in _places(connection, key)
        if (after is None or place > after) and _is_wanted(place, filters)
    ]
    page = cut(sorted(places), filters.limit, lambda one: encode_cursor(one.lane, one.stage, one.policy, one.tag))
    clusters = ClusterStateReader(connection, now, systems.timing.applied_within)
    states = _tag_states(connection, systems, page.items)
    decided = {key: _Decided.read(connection, key) for key in {one.lane for one in page.items}}
    reader = _StageReader(connection, clusters, states, systems, decided, now)
    views = [reader.read(known[one.lane], one) for one in page.items]
    return Listing(items=views, next=page.next)


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """One policy's tag in one stage; `tag` is empty where the text in Git names none, `pinned` where no digest."""

    lane: str
    stage: str
    policy: str
    tag: str
    image: str = field(default="", compare=False)
    pinned: str = field(default="", compare=False)

    @property
    def runs(self) -> tuple[str, str, str]:
        """What is there, whichever place it is."""
        return self.image, self.tag, self.pinned


def _places(connection: Connection, lane: str) -> Iterable[_Place]:
    pinned: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in fields.of(connection, lane):
        found = pinned.setdefault((row.stage, row.policy, row.image), {})
        if row.tag is not None:
            digest = row.text.rpartition("@")[2]
            found[row.tag] = found.get(row.tag) or (digest if is_digest(digest) else "")
    return (
        _Place(lane, stage, policy, tag, image, digest)
        for (stage, policy, image), found in pinned.items()
        for tag, digest in (found or {"": ""}).items()
    )


def _tag_states(
    connection: Connection, systems: Systems, places: Iterable[_Place]
) -> Mapping[tuple[str, str, str], TagState]:
    """What is known of what is at some places, read for all of an image at once."""
    of_image: dict[ImageName, list[_Place]] = defaultdict(list)
    for place in places:
        image = _image_of(place, systems)
        if image is not None:
            of_image[image].append(place)
    found: dict[tuple[str, str, str], TagState] = {}
    for image, its in of_image.items():
        states = states_of_tags(connection, image, {one.tag for one in its}, is_history_wanted=False)
        moved = {one.pinned for one in its if one.tag in states} - {"", *(one.digest for one in states.values())}
        reports = build_reports.reports_of_digests(connection, image, moved)
        for one in (one for one in its if one.tag in states):
            state = states[one.tag]
            if one.pinned in moved:
                its_own = tuple(report for report in reports if report.digest == one.pinned)
                state = replace(state, digest=one.pinned, reports=its_own)
            found[one.runs] = state
    return found


def _image_of(place: _Place, systems: Systems) -> ImageName | None:
    try:
        return systems.known_as(ImageName.parse_any(place.image))
    except InvalidImage:
        return None


def _is_wanted(place: _Place, filters: StageFilters) -> bool:
    return (
        filters.stage in {None, place.stage}
        and (filters.policy is None or is_named(place.policy, filters.policy))
        and filters.image in {None, place.image}
    )


@dataclass(frozen=True, slots=True)
class _Decided:
    """What people decided in a lane: what they hold and deny, and what they asked for."""

    denials: Sequence[Hold]
    stops: HoldIndex
    requests: Sequence[RequestRow]

    @classmethod
    def read(cls, connection: Connection, lane: str) -> "_Decided":
        """Read it of one lane."""
        active = holds.active(connection, lane)
        denials = [one for one in active if one.kind is HoldKind.DENIED]
        lasting = HoldIndex(one for one in active if one.is_freeze or one.kind is HoldKind.ROLLED_BACK)
        return cls(denials, lasting, requests.open_in(connection, lane))

    def held(self, place: _Place, now: datetime) -> str | None:
        """What stops other tags in a place; not of single ones that somebody closed or took back."""
        near = self.stops.near(place.policy)
        found = Stops.on(near, stage=place.stage, policy=place.policy, now=now).holds
        return "; ".join(dict.fromkeys(one.words for one in found)) or None

    def asked(self, place: _Place) -> str | None:
        """What somebody asked for in a place."""
        its = (one for one in self.requests if one.request.stage == place.stage)
        return next((words_on(one, target) for one in its if (target := one.request.target_of(place.policy))), None)


@dataclass(frozen=True, slots=True)
class _StageReader:
    """Finds how what is in a stage came there."""

    connection: Connection
    clusters: ClusterStateReader
    states: Mapping[tuple[str, str, str], TagState]
    systems: Systems
    decided: Mapping[str, _Decided]
    now: datetime

    def read(self, lane: LaneRow, place: _Place) -> StageView:
        newest = promotions.latest_merged(self.connection, place.lane, stage=place.stage, policy=place.policy)
        came = newest if newest is not None and newest.tag == place.tag else None
        present = self.states.get(place.runs)
        digest = place.pinned or (came.digest if came else None) or (present.digest if present else None)
        return StageView(
            repo=lane.repo,
            branch=lane.branch,
            stage=place.stage,
            policy=place.policy,
            image=place.image,
            tag=place.tag or None,
            digest=digest,
            build=self._build(came, present),
            pull_request=pull_request_link(self.connection, came) if came else None,
            merged_by=came.merged_by if came else None,
            merged_at=came.merged_at if came else None,
            merge_commit=came.merge_commit if came else None,
            origin=came.origin if came else None,
            promotion=came.id if came else None,
            doubtful="; ".join(filter(None, (self._denied(place, present, digest), _doubt(present)))) or None,
            held=self.decided[place.lane].held(place, self.now),
            asked=self.decided[place.lane].asked(place),
            applied=self.clusters.of_stage(place.lane, stage=place.stage, policy=place.policy, came=came),
        )

    def _denied(self, place: _Place, present: TagState | None, digest: str | None) -> str | None:
        """That what is there is denied, and by whom."""
        its = self.decided[place.lane].denials
        if not its:
            return None
        known = present or TagState(tag=place.tag, digest=digest, first_seen_at=self.now)
        image = _image_of(place, self.systems)
        stops = Stops.on(its, stage=place.stage, policy=place.policy, now=self.now, image=image)
        denial = stops.denial_of(replace(known, digest=digest))
        return denied_words(denial) if denial is not None else None

    def _build(self, came: PromotionRow | None, present: TagState | None) -> BuildLink | None:
        """The build that let it in; where no gate asked for one, the build that reported what it is."""
        if came is not None and came.build_id is not None:
            return build_link(self.connection, came.build_id)
        build = present_build(present) if present is not None else None
        return build_link(self.connection, build.build_id) if build is not None else None


def _doubt(present: TagState | None) -> str | None:
    """What speaks against a tag that is in Git already; None where nothing does, or nothing is known of it."""
    if present is None:
        return None
    if present.is_gone:
        return "its registry has this tag no more"
    return bad_build(present)
