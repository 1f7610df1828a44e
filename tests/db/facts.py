"""Values that the tests of the database share."""

from datetime import UTC, datetime, timedelta

from app.core.facts import Artifact, BuildFinished, BuildResult
from app.core.images import ImageName
from app.db.deliveries import NewDelivery

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
LEASE = timedelta(seconds=30)
QUIET = timedelta(seconds=2)
MAX_WAIT = timedelta(seconds=10)
IMAGE = ImageName.parse("registry.acme.example/shop/web")
OTHER_IMAGE = ImageName.parse("registry.acme.example/shop/api")
DIGEST = f"sha256:{'a' * 64}"
OTHER_DIGEST = f"sha256:{'b' * 64}"


def delivery(external_id: str = "one", *, source: str = "ci", body: bytes = b"{}") -> NewDelivery:
    """A webhook as it was accepted."""
    return NewDelivery(
        source=source,
        kind="jenkins",
        external_id=external_id,
        headers={"content-type": "application/json"},
        body=body,
        received_at=NOW,
    )


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
