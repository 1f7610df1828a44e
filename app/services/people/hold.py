"""Hold and lift: what people stop by asking, for a time or until somebody lifts it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from sqlalchemy import Connection

from app.core.errors import Conflict, Invalid
from app.core.images import ImageName, ImageReference, is_digest
from app.core.nearest import among, did_you_mean
from app.core.promotion.hold_times import in_words, parse_time
from app.core.promotion.holds import Hold, HoldKind
from app.db import holds, lanes, policies
from app.db.holds import HoldRow
from app.db.policies import PolicyPlace
from app.db.tables import new_id
from app.services.reading.holds import HoldView, hold_view, is_reached
from app.services.reading.pages import UnknownId
from app.services.systems import Systems


class NothingToHold(Invalid):
    """A hold was asked for that says of nothing that it stops."""

    def __init__(self) -> None:
        super().__init__("nothing is named to be held: give a policy ('*' is all of them), a stage, a tag or a digest")


class TagOrDigest(Invalid):
    """A hold denies a tag and a digest at once."""

    def __init__(self) -> None:
        super().__init__("a tag and a digest are two holds: add one for each")


class NothingHeldSo(Invalid):
    """A hold names something that there is not."""

    def __init__(self, what: str, name: str, known: Sequence[str]) -> None:
        super().__init__(f"no {what} is called {name[:200]!r}, so nothing is held: {among(name, known)}")


class NothingReached(Invalid):
    """All that a hold names is there, but nowhere together."""

    def __init__(self, words: str) -> None:
        super().__init__(f"nothing is there that is {words[:500]}: see `fluxbridge stages` for what is where")


class NotToDeny(Invalid):
    """A tag or digest is written in a way that names none."""

    def __init__(self, text: str, form: str) -> None:
        super().__init__(f"{text[:300]!r} names nothing to deny: write {form}")


class EndsInThePast(Invalid):
    """A hold would have ended before it began."""

    def __init__(self, until: str, now: str) -> None:
        super().__init__(f"until {until} is not after now, {now}: give a later time")


class UnknownZone(Invalid):
    """A time zone is not known on this machine."""

    def __init__(self, name: str) -> None:
        known = available_timezones()
        meant = did_you_mean(name[:100], known) or "write one like Europe/Berlin, or UTC"
        step = meant if known else "this machine has no tzdata: install it, or give the offset in the time"
        super().__init__(f"no time zone is called {name[:100]!r}: {step}")


class StandsInGit(Conflict):
    """A hold of the config repository cannot be lifted from here."""

    def __init__(self, hold: Hold) -> None:
        super().__init__(f"the hold {hold.id} stands in Git: {hold.next_step} on the base branch")


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRequest:
    """What somebody wants to be held, in their words: `tag` is `image:tag`, `digest` one alone or `image@digest`.

    `policy` is a pattern, `until` a time as `parse_time` takes them, in `zone`.
    """

    why: str
    repo: str | None = None
    policy: str | None = None
    stage: str | None = None
    tag: str | None = None
    digest: str | None = None
    until: str | None = None
    zone: str = "UTC"


def add_hold(
    connection: Connection, systems: Systems, wanted: HoldRequest, *, who: str, now: datetime
) -> tuple[HoldView, str | None]:
    """Hold what is wanted, and have the lanes that it reaches look; asking twice is asking once.

    Returns it and the end that was understood. Raises Invalid where something is not there or not to be understood;
    then nothing is written.
    """
    zone = zone_of(wanted.zone)
    places = [one for one in policies.places(connection) if wanted.repo in {None, one.repo}]
    hold = _read(systems, wanted, places, who=who, now=now)
    hold, understood = _with_end(hold, wanted.until, zone, now)
    row = HoldRow(hold=hold, lane=None, repo=wanted.repo, lifted_at=None, lifted_by=None, lifted_why=None)
    view = hold_view(row, places, now)
    if view.policies == 0:
        raise NothingReached(view.reaches)
    hold_id = holds.add(connection, None, hold, pull_request=None, repo=wanted.repo)
    lanes.raise_wanted(connection, _lanes_of(connection, row), now=now)
    kept = holds.find(connection, hold_id) or row
    return hold_view(kept, places, now), understood


def lift_hold(connection: Connection, hold_id: str, *, who: str, why: str, now: datetime) -> HoldView:
    """Lift a hold, and have the lanes that it reached look; one that is lifted stays as it was lifted first.

    Raises UnknownId, StandsInGit.
    """
    row = holds.find(connection, hold_id)
    if row is None:
        raise UnknownId("hold", hold_id)
    if row.lifted_at is None:
        if row.hold.is_in_git:
            raise StandsInGit(row.hold)
        # The lanes first, as their runs lock them before they lift.
        lanes.raise_wanted(connection, _lanes_of(connection, row), now=now)
        holds.lift(connection, hold_id, who=who, why=why, at=now)
    return hold_view(holds.find(connection, hold_id) or row, policies.places(connection), now)


def _lanes_of(connection: Connection, row: HoldRow) -> Iterable[str]:
    return [one.key for one in lanes.every(connection) if is_reached(row, one.key)]


def _read(systems: Systems, wanted: HoldRequest, places: Sequence[PolicyPlace], *, who: str, now: datetime) -> Hold:
    if {wanted.policy, wanted.stage, wanted.tag, wanted.digest} == {None}:
        raise NothingToHold
    if wanted.tag is not None and wanted.digest is not None:
        raise TagOrDigest
    if wanted.repo is not None and wanted.repo not in systems.config_repos:
        raise NothingHeldSo("config repository", wanted.repo, sorted(systems.config_repos))
    stages = sorted({stage for one in places for stage in one.stages})
    if wanted.stage is not None and wanted.stage not in stages:
        raise NothingHeldSo("stage", wanted.stage, stages)
    is_denial = wanted.tag is not None or wanted.digest is not None
    image, tag, digest = _denied(systems, wanted, places)
    hold = Hold(
        id=new_id(now),
        stage=wanted.stage,
        policy=wanted.policy,
        tags=None if tag is None else (tag,),
        kind=HoldKind.DENIED if is_denial else HoldKind.MANUAL,
        who=who,
        why=wanted.why,
        since=now,
        image=image,
        digest=digest,
    )
    if wanted.policy is not None and not any(hold.reaches_policy(str(one.name)) for one in places):
        raise NothingHeldSo(
            "policy", wanted.policy, sorted({f"{one.name.namespace}/{one.name.name}" for one in places})
        )
    return hold


def _denied(
    systems: Systems, wanted: HoldRequest, places: Sequence[PolicyPlace]
) -> tuple[ImageName | None, str | None, str | None]:
    """The image, under its registry's own host, and the tag or digest of it that is denied."""
    image, tag, digest = None, None, None
    if wanted.tag is not None:
        reference = ImageReference.parse_any(wanted.tag)
        image, tag = reference.name, reference.tag
        if tag is None or reference.digest is not None:
            raise NotToDeny(wanted.tag, "IMAGE:TAG")
    elif wanted.digest is not None:
        named, at, digest = wanted.digest.rpartition("@")
        if not is_digest(digest):
            raise NotToDeny(
                wanted.digest, "sha256: with 64 or sha512: with 128 lower-case hex digits, or IMAGE@sha256:…"
            )
        image = ImageName.parse_any(named) if at else None
    if image is None:
        return None, tag, digest
    image = systems.known_as(image)
    known = sorted({one.repository for one in places if one.repository is not None})
    if str(image) not in known:
        raise NothingHeldSo("image of a policy", str(image), known)
    return image, tag, digest


def _with_end(hold: Hold, until: str | None, zone: tzinfo, now: datetime) -> tuple[Hold, str | None]:
    if until is None:
        return hold, None
    at = parse_time(until, now=now, zone=zone)
    if at <= now:
        raise EndsInThePast(in_words(at, zone), in_words(now, zone))
    return replace(hold, until=at), in_words(at, zone)


def zone_of(name: str) -> tzinfo:
    """The zone of this name. Raises UnknownZone."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownZone(name) from error
