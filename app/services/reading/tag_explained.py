"""Explain a tag: who told of it, what was left out, and where it stands in every policy and stage of its image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import Connection

from app.core.errors import Invalid
from app.core.flux.objects import PolicyName
from app.core.images import ImageName, ImageReference, named_in_texts
from app.core.nearest import nearest
from app.core.policies.telling.explaining import explain
from app.core.promotion.consent import consented
from app.core.promotion.explained_tag import ExplainedPlace, TagPlace, explain_tag, why_no_candidate
from app.core.promotion.state import PolicyState
from app.db import build_reports, builds, catalogue, deliveries, owed_answers, policies, promotions, pushes
from app.db.catalogue import KnownRepository, KnownTag
from app.db.database import Database
from app.db.owed_answers import OwedAnswer
from app.db.policies import PolicyRow
from app.db.promotions import PromotionRow
from app.services.catalogue.tag_states import why_unshown
from app.services.heads.scans import Scans
from app.services.reading.found_policies import FoundPolicy, entries_of, find_states
from app.services.reading.pages import Shown
from app.services.reading.policies import policy_details
from app.services.reading.requests import words_by_stage
from app.services.systems import Systems

_MOST_TOLD = 20
MOST_POLICIES = 100


class NoTagNamed(Invalid):
    """A tag is asked about by something that names none."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text[:300]!r} names no tag: write it as image:tag")


class TellingView(BaseModel):
    """One thing that was told of a tag, and by whom; `delivery` None: no webhook brought it.

    Of a build `controller` is its Jenkins, and `link` where it is seen below that one's own URL.
    """

    at: datetime
    what: Shown
    source: str
    delivery: str | None
    controller: str | None = None
    link: Shown | None = None


class PlaceExplanation(BaseModel):
    """Where the tag stands in one stage.

    `place`: there, enters, waits, refused, held, behind (another is first), lower (than what is there), no candidate.
    `gates` is what the stage's gates say of it, whether its turn came or not; `doubtful` what speaks against it though
    it is there, `kept_back` why it is not proposed though it enters, in the words of the lane's last run. `asked` is
    what somebody asked for there, which comes first.
    """

    stage: str
    place: str
    reason: Shown
    gates: Shown | None
    doubtful: Shown | None = None
    kept_back: Shown | None = None
    asked: Shown | None = None

    @classmethod
    def of(cls, one: ExplainedPlace, *, kept_back: str | None, asked: str | None) -> "PlaceExplanation":
        """Put it into plain values."""
        names = ("stage", "place", "reason", "gates", "doubtful")
        told = kept_back if one.place is TagPlace.ENTERS else None
        return cls(**{name: getattr(one, name) for name in names}, kept_back=told, asked=asked)


class TagPolicyView(BaseModel):
    """What one policy makes of the tag; `kept_out` says why it is no candidate of the policy at all.

    `stages` is empty where nothing can be said of them, and `notes` says why.
    """

    repo: str
    branch: str
    policy: str
    selected_tag: str | None
    verdict: Shown | None
    kept_out: Shown | None
    stages: list[PlaceExplanation]
    notes: list[Shown]


class TagPromotionView(BaseModel):
    """What became of the tag in one stage, as the history has it."""

    id: str
    repo: str
    stage: str
    policy: str
    state: str
    reason: Shown
    pull_request: int | None
    updated_at: datetime

    @classmethod
    def of(cls, row: PromotionRow) -> "TagPromotionView":
        """Put it into plain values."""
        names = ("id", "repo", "stage", "policy", "state", "reason", "pull_request", "updated_at")
        return cls(**{name: getattr(row, name) for name in names})


class TagStory(BaseModel):
    """Everything that is known of one tag. `left_out` are deliveries that were not taken at their word about its image.

    `first_seen_at` None: nobody has told of it; `listed_at` None: its repository was never listed in full.
    """

    image: str
    tag: str
    digest: str | None
    first_seen_at: datetime | None
    asked_at: datetime | None
    is_gone: bool
    listed_at: datetime | None
    told: list[TellingView]
    left_out: list[TellingView]
    policies: list[TagPolicyView]
    promotions: list[TagPromotionView]
    notes: list[Shown]


@dataclass(frozen=True, slots=True)
class AskedTag:
    """The tag in question, under its registry's own host."""

    image: ImageName
    tag: str
    systems: Systems

    @classmethod
    def parse(cls, text: str, systems: Systems) -> "AskedTag":
        """The tag that `image:tag` means. Raises InvalidImage, NoTagNamed."""
        reference = ImageReference.parse_any(text)
        if reference.tag is None:
            raise NoTagNamed(text)
        return cls(systems.known_as(reference.name), reference.tag, systems)


def explain_tag_everywhere(database: Database, systems: Systems, text: str, *, scans: Scans, now: datetime) -> TagStory:
    """Explain `image:tag` by what the database knows now. No other system is asked.

    Raises InvalidImage, NoTagNamed.
    """
    asked = AskedTag.parse(text, systems)
    with database.transaction() as connection:
        known = catalogue.find_tag(connection, asked.image, asked.tag)
        repository = catalogue.find_repository(connection, asked.image)
        told = [*pushes_told_of(connection, asked), *builds_told_of(connection, asked, known.digest if known else None)]
        left_out = list(_left_out(connection, asked))
        rows = policies.of_repository(connection, asked.image, limit=MOST_POLICIES)
        names = policies.repositories(connection) if not rows else ()
        owed = owed_answers.of_tags(connection, {asked.image: [asked.tag]})
        moved = [TagPromotionView.of(one) for row in rows for one in promotions_of(connection, row, asked.tag)]
    seen = find_states(database, systems, map(policy_details, rows), scans=scans, now=now)
    return TagStory(
        image=str(asked.image),
        tag=asked.tag,
        digest=known.digest if known else None,
        first_seen_at=known.first_seen_at if known else None,
        asked_at=known.asked_at if known else None,
        is_gone=known is not None and known.is_gone,
        listed_at=repository.listed_at if repository else None,
        told=sorted(told, key=lambda one: one.at),
        left_out=left_out,
        policies=[_of_policy(database, asked, found, state) for found, state in seen],
        promotions=sorted(moved, key=lambda one: one.updated_at),
        notes=[*_notes(asked, rows, names, is_told=known is not None), *_of_registry(known, repository, owed)],
    )


def pushes_told_of(connection: Connection, asked: AskedTag) -> Iterator[TellingView]:
    """The pushes of a tag that senders told of."""
    for push in pushes.pushes_of(connection, asked.image, asked.tag, limit=_MOST_TOLD):
        what = f"pushed as {push.digest}" if push.digest else "pushed, no digest told"
        yield TellingView(at=push.first_seen_at, what=what, source=push.source, delivery=push.delivery_id)


def builds_told_of(connection: Connection, asked: AskedTag, digest: str | None) -> Iterator[TellingView]:
    """The builds that named a tag, or its digest."""
    reports = build_reports.reports_on(connection, asked.image, {asked.tag: digest})
    for report in sorted(reports, key=lambda one: one.recorded_at)[-_MOST_TOLD:]:
        row = builds.find(connection, report.build_id)
        if row is None:
            continue
        its = f" as {report.digest}" if report.digest else ""
        barred = "; of a change request or of ours, so it makes no candidate" if report.is_barred else ""
        what = f"build {report.name} {report.result} named {report.tag}{its}{barred}"
        link = row.url if row.url and asked.systems.is_of_controller(row.url, row.controller) else None
        yield TellingView(
            at=report.recorded_at,
            what=what,
            source=row.source,
            delivery=row.delivery_id,
            controller=row.controller,
            link=link,
        )


def _left_out(connection: Connection, asked: AskedTag) -> Iterator[TellingView]:
    """Deliveries of late that say something of the image and were not, or not yet, taken at their word."""
    found = deliveries.mentioning(connection, named_in_texts(str(asked.image)), limit=_MOST_TOLD)
    for row in found:
        what = f"{row.state}: {row.error or row.outcome or ''}"
        yield TellingView(at=row.received_at, what=what, source=row.source, delivery=row.id)


def promotions_of(connection: Connection, row: PolicyRow, tag: str) -> Sequence[PromotionRow]:
    """A policy's promotions of a tag in all stages, newest first."""
    name = PolicyName(row.root, row.namespace, row.name)
    return promotions.of_tag(connection, row.lane, policy=str(name), tag=tag, limit=_MOST_TOLD)


def _of_policy(database: Database, asked: AskedTag, found: FoundPolicy, state: PolicyState) -> TagPolicyView:
    details, at_most = found.details, consented(state)
    with database.transaction() as connection:
        entries = list(entries_of(connection, found, state))
        wanted = words_by_stage(connection, found.lane_key, str(state.name))
    stages = [explain_tag(staged, fields, entry, asked.tag) for staged, fields, entry in entries]
    return TagPolicyView(
        repo=details.repo,
        branch=details.branch,
        policy=str(state.name),
        selected_tag=at_most.selection.tag if at_most.selection is not None else None,
        verdict=_verdict(at_most, asked.tag),
        kept_out=state.problem or state.waits_for or why_no_candidate(at_most, asked.tag),
        stages=[
            PlaceExplanation.of(
                one,
                kept_back=found.kept_back.get((one.stage, str(state.name), asked.tag)),
                asked=wanted.get(one.stage),
            )
            for one in stages
        ],
        notes=[*found.notes, *([] if details.stages else ["no field in Git names the policy, so it proposes nothing"])],
    )


def _verdict(state: PolicyState, tag: str) -> str | None:
    if state.policy.spec is None or state.selection is None:
        return None
    told = explain(state.policy.spec, state.selection, asked=tag).asked
    return told.reason if told is not None else None


def _of_registry(
    known: KnownTag | None, repository: KnownRepository | None, owed: Sequence[OwedAnswer]
) -> Iterator[str]:
    """What the registry has still to say, and why it has not."""
    unshown = why_unshown(known, next(iter(owed), None)) if known is not None else None
    if unshown is not None:
        yield unshown
    if repository is not None and repository.problem is not None:
        at = f" of {repository.failed_at:%Y-%m-%d %H:%M:%S} UTC" if repository.failed_at is not None else ""
        yield f"the newest list{at} of its repository is not whole: {repository.problem}"


def _notes(asked: AskedTag, rows: Sequence[PolicyRow], names: Sequence[str], *, is_told: bool) -> Iterator[str]:
    if asked.systems.registry_of(asked.image) is None:
        yield f"no registry is configured for {asked.image.registry}, so its tags cannot be read: add it to registries"
    if not is_told:
        yield "nobody has told of this tag: no delivery, no build and no list of its repository"
    if not rows:
        close = nearest(str(asked.image), names, most=3)
        yield f"no policy chooses from {asked.image}" + (f"; some do from {', '.join(close)}" if close else "")
    if len(rows) == MOST_POLICIES:
        yield f"only the first {MOST_POLICIES} policies of the image are told"
