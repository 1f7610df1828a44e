"""When many tags in Git turn gone at once, the registry is doubted until a person says that they are."""

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from app.core.images import ImageName
from app.db import catalogue, fields, lanes, storms, sweep_marks
from app.db.storms import Storm
from app.db.tables import milliseconds

SWEEP = "tags"
_ACCEPTED = "tags.gone"
_WITHIN = timedelta(hours=1)
_MOST = 5
_FEWEST = 2
_A_PART = 10
_SAMPLE = 5


def key_of(registry: str) -> str:
    """What the storm of a registry's tags that turned gone is called.

    >>> key_of("registry.acme.example")
    'gone from registry.acme.example'
    """
    return f"gone from {registry}"


def watch_gone(connection: Connection, registry: str, now: datetime) -> None:
    """Note a storm where many tags in Git turn gone within an hour: what follows from it waits for a person.

    Many are more than five, or two and a tenth of all that are in Git of this registry. Transactions count one after
    the other: the caller holds the images, has raised no lanes yet, and takes registries in the order of their names.
    """
    sweep_marks.lock(connection, _ACCEPTED, registry, now=now)
    in_git = fields.in_git(connection, registry=registry)
    gone = _gone_since(connection, in_git, max(now - _WITHIN, _accepted_at(connection, registry)))
    if len(gone) <= _MOST and (len(gone) < _FEWEST or len(gone) * _A_PART < len(in_git)):
        return
    sample = f"{len(gone)} of {len(in_git)} tags in Git: {', '.join(gone[:_SAMPLE])}{', …' if gone[_SAMPLE:] else ''}"
    storm = Storm(sweep=SWEEP, key=key_of(registry), found=len(gone), sample=sample[:1000], since=now)
    storms.note(connection, storm)


def doubted_registries(connection: Connection, registries: Iterable[str]) -> AbstractSet[str]:
    """Those of these registries whose tags in Git count as there, whatever they answer, until a person accepts it."""
    keys = {one.key for one in storms.every(connection) if one.sweep == SWEEP}
    return {registry for registry in registries if key_of(registry) in keys}


def accept_gone(connection: Connection, registry: str, *, now: datetime) -> bool:
    """A person says that what is gone is gone; true where that was in doubt. Those that turn gone later are counted."""
    if _storm(connection, registry, now) is None:
        return False
    sweep_marks.put(connection, _ACCEPTED, registry, milliseconds(now), now=now)
    _end(connection, registry, now=now)
    return True


def end_returned(connection: Connection, registry: str, *, now: datetime) -> bool:
    """Doubt a registry no more where the tags are there again; true where it was doubted."""
    storm = _storm(connection, registry, now)
    if storm is None:
        return False
    in_git = fields.in_git(connection, registry=registry)
    if _gone_since(connection, in_git, max(storm.since - _WITHIN, _accepted_at(connection, registry))):
        return False
    _end(connection, registry, now=now)
    return True


def _storm(connection: Connection, registry: str, now: datetime) -> Storm | None:
    """The storm of a registry, whose tags are counted by nobody else before this transaction ends."""
    sweep_marks.lock(connection, _ACCEPTED, registry, now=now)
    its = (SWEEP, key_of(registry))
    return next((one for one in storms.every(connection) if (one.sweep, one.key) == its), None)


def _end(connection: Connection, registry: str, *, now: datetime) -> None:
    storms.end(connection, SWEEP, key_of(registry))
    images = {ImageName.of_repository(repository) for repository, _ in fields.in_git(connection, registry=registry)}
    keys = sorted({lane for image in images for lane in lanes.lanes_of_image(connection, image)})
    lanes.raise_wanted(connection, keys, now=now)


def _accepted_at(connection: Connection, registry: str) -> datetime:
    mark = sweep_marks.of(connection, _ACCEPTED, [registry]).get(registry, 0)
    return datetime.fromtimestamp(mark / 1000, tz=UTC)


def _gone_since(connection: Connection, in_git: AbstractSet[tuple[str, str]], since: datetime) -> list[str]:
    """Which of these tags their registry denied after a time."""
    named: dict[str, set[str]] = defaultdict(set)
    for repository, tag in in_git:
        named[repository].add(tag)
    return [f"{one.image}:{one.tag}" for one in catalogue.tags_denied_since(connection, named, since)]
