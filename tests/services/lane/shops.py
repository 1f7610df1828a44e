"""Three images in two files that one build publishes, in a lane of their own."""

from datetime import timedelta
from pathlib import Path

from app.core.facts import Artifact, BuildFinished, BuildResult
from app.core.images import ImageName
from app.core.ports import PullRequest
from app.db import builds, catalogue
from app.db.database import Database
from app.services.catalogue.keep_selections import keep_selections
from tests.db.facts import record_listing, record_push
from tests.end_to_end.bridge import deployment, policy
from tests.services.lanes import Lane, digest

NAMES = ("api", "job", "web")
IMAGES = {name: ImageName("registry.acme.example", f"team/{name}") for name in NAMES}
PLACES = {name: f"flux-system/{name}" for name in NAMES}


def in_two_files(tags: dict[str, str]) -> dict[str, str]:
    """Two of the images in one file, the third in another."""
    text = {name: deployment(tag, name=name, path=f"team/{name}") for name, tag in tags.items()}
    return {"apps/shop.yaml": f"{text['api']}---\n{text['web']}", "apps/jobs.yaml": text["job"]}


def shop(folder: Path, database: Database, *, together: str = "same-build") -> Lane:
    """Three policies of one group, all at 1.0.0."""
    files = {f"images/{name}.yaml": policy(name, "semver: {range: '>=1.0.0-0'}", path=f"team/{name}") for name in NAMES}
    rules = f'groups: {{shop: {{policies: ["flux-system/*"], together: {together}}}}}\n'
    files |= {".fluxbridge.yaml": rules, **in_two_files(dict.fromkeys(NAMES, "1.0.0"))}
    lane = Lane.create(folder, database, files)
    with database.transaction() as connection:
        for image in IMAGES.values():
            record_listing(connection, image, ["1.0.0"], lane.now - timedelta(days=1))
    return lane


def pushed(lane: Lane, tags: dict[str, str]) -> None:
    """Tags were pushed, and the registry has shown them."""
    for name, tag in tags.items():
        image = IMAGES[name]
        with lane.database.transaction() as connection:
            catalogue.lock(connection, [image], lane.now)
            record_push(connection, image, tag, digest(tag), at=None, now=lane.now, source="registry", delivery_id=None)
            catalogue.set_digest(connection, image, tag, digest(tag), asked_at=lane.now)
            keep_selections(connection, lane.ready, image, [tag])


def built(lane: Lane, number: int, tags: dict[str, str]) -> None:
    """A build ended that published these tags."""
    told = BuildFinished(
        controller="ci",
        job="team/shop/main",
        number=number,
        result=BuildResult.SUCCESS,
        artifacts=tuple(Artifact("image", IMAGES[name], tag, digest(tag)) for name, tag in tags.items()),
    )
    with lane.database.transaction() as connection:
        builds.record(connection, told, source="ci", delivery_id=None, now=lane.now, is_ours=False)


def released(lane: Lane, number: int, tags: dict[str, str]) -> list[PullRequest]:
    """A build published these; returns what is open after the lane's run."""
    pushed(lane, tags)
    built(lane, number, tags)
    lane.run()
    return lane.open_pulls()


def brought(lane: Lane, ref: str = "main") -> dict[str, str]:
    """The files as a branch has them."""
    return {file: lane.config.text(ref, file) for file in ("apps/shop.yaml", "apps/jobs.yaml")}
