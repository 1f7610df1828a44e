"""Values that the tests of the database share."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, select

from app.core.facts import Artifact, BuildFinished, BuildResult
from app.core.images import ImageName
from app.core.promotion.tags import BuildReport
from app.db import build_reports, catalogue, delivery_claims, listed_tags, owed_answers, pushes
from app.db.deliveries import NewDelivery
from app.db.delivery_claims import ClaimedDelivery
from app.db.inbox import Inbox
from app.db.listed_tags import TagList
from app.db.owed_answers import NewlyOwed, OwedAnswer
from app.db.pushes import NewPush

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
LEASE = timedelta(seconds=30)
IMAGE = ImageName.parse("registry.acme.example/shop/web")
OTHER_IMAGE = ImageName.parse("registry.acme.example/shop/api")
DIGEST = f"sha256:{'a' * 64}"
OTHER_DIGEST = f"sha256:{'b' * 64}"


def delivery(
    external_id: str = "one", *, source: str = "ci", body: bytes = b"{}", received_at: datetime = NOW
) -> NewDelivery:
    """A webhook as it was accepted."""
    return NewDelivery(
        source=source,
        kind="jenkins",
        external_id=external_id,
        headers={"content-type": "application/json"},
        body=body,
        received_at=received_at,
    )


def record_listing(
    connection: Connection, image: ImageName, listed: Iterable[str], now: datetime, *, asked_at: datetime | None = None
) -> Sequence[str]:
    """Take a full list in at once; returns the tags of which it told something."""
    present = set(listed)
    known = connection.execute(select(catalogue.tags.c.tag).where(catalogue.tags.c.image == str(image))).scalars()
    asked = TagList(present=present, asked_at=asked_at or now, before_at=catalogue.listed_at(connection, image))
    touched = listed_tags.record_listed(connection, image, present | set(known), asked, now)
    catalogue.end_listing(connection, image, now, asked_at=asked_at or now)
    return touched


def record_push(
    connection: Connection,
    image: ImageName,
    tag: str,
    digest: str | None,
    *,
    at: datetime | None,
    now: datetime,
    source: str,
    delivery_id: str | None,
) -> None:
    """Write down one push that was told just now."""
    told = NewPush(
        image=image, tag=tag, digest=digest, at=at, told_at=now, seen_at=now, source=source, delivery_id=delivery_id
    )
    pushes.record(connection, [told])


def owe(
    connection: Connection,
    image: ImageName,
    reference: str,
    *,
    is_deletion: bool,
    source: str,
    delivery_id: str | None,
    now: datetime,
) -> OwedAnswer:
    """Write down one thing that a registry is to be asked."""
    told = NewlyOwed(
        image=image, reference=reference, is_deletion=is_deletion, source=source, delivery_id=delivery_id, at=now
    )
    [owed] = owed_answers.owe(connection, [told])
    return owed


def reports_of(connection: Connection, image: ImageName) -> Sequence[BuildReport]:
    """Every report that names an image."""
    return build_reports.reports_after(connection, image, 0, limit=10_000)[0]


def keep_now(inbox: Inbox, new: NewDelivery) -> str:
    """Keep a delivery, from outside an event loop."""
    return asyncio.run(inbox.keep(new))


def build(
    number: int = 7, *, result: BuildResult = BuildResult.SUCCESS, artifacts: tuple[Artifact, ...] = ()
) -> BuildFinished:
    """A finished build of the shop."""
    return BuildFinished(
        controller="main",
        job="acme/shop/main",
        number=number,
        result=result,
        url=f"https://ci.acme.example/job/acme/job/shop/job/main/{number}/",
        started_at=NOW - 5 * MINUTE,
        finished_at=NOW,
        commit="c" * 40,
        branch="main",
        parameters={"ENV": "ci"},
        artifacts=artifacts,
    )


def image(tag: str = "1.2.0", digest: str | None = DIGEST) -> Artifact:
    """The shop's image as a build names it."""
    return Artifact("image", IMAGE, tag, digest)


def claim_next(
    connection: Connection,
    *,
    owner: str,
    now: datetime,
    lease: timedelta,
    excluding: Sequence[str] = (),
    after_source: str = "",
) -> ClaimedDelivery | None:
    """Take the delivery that has been due longest."""
    taken = delivery_claims.claim_some(
        connection, owner=owner, now=now, lease=lease, most=1, excluding=excluding, after_source=after_source
    )
    return taken[0] if taken else None
