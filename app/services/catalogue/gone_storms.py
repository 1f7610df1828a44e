"""When many tags in Git turn gone at once, the registry is doubted until a person says that they are."""

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from app.core.images import ImageName
from app.db import catalogue, fields, lanes, storms, sweep_marks
from app.db.storms import HeldBack
from app.db.tables import milliseconds

SWEEP = "tags"
_ACCEPTED = "tags.gone"
_WITHIN = timedelta(hours=1)
_MOST = 5
_FEWEST = 2
_A_PART = 10
_SAMPLE = 5


def key_of(registry: str) -> str:
    """Under which name the tags of a registry that turned gone are held back.

    >>> key_of("registry.acme.example")
    'gone from registry.acme.example'
    """
    return f"gone from {registry}"


def watch_gone(connection: Connection, registry: str, now: datetime) -> None:
    """Hold back what follows from tags in Git that are gone, where these are many within an hour.

    Many are more than five, or two and a tenth of all that are in Git of this registry. Transactions count one after
    the other: the caller holds the images, has raised no lanes yet, and takes registries in the order of their names.
    """
    sweep_marks.lock(connection, _ACCEPTED, registry, now=now)
    in_git = fields.in_git(connection, registry=registry)
    gone = _gone_since(connection, in_git, max(now - _WITHIN, _accepted_at(connection, registry)))
    if len(gone) <= _MOST and (len(gone) < _FEWEST or len(gone) * _A_PART < len(in_git)):
        return
    sample = f"{len(gone)} of {len(in_git)} tags in Git: {', '.join(gone[:_SAMPLE])}{', …' if gone[_SAMPLE:] else ''}"
    held = HeldBack(sweep=SWEEP, key=key_of(registry), found=len(gone), sample=sample[:1000], held_at=now)
    storms.hold(connection, held)


def doubted_registries(connection: Connection, registries: Iterable[str]) -> AbstractSet[str]:
    """Those of these registries whose tags in Git count as there, whatever they answer, until a person accepts it."""
    keys = {one.key for one in storms.every(connection) if one.sweep == SWEEP}
    return {registry for registry in registries if key_of(registry) in keys}


def accept_gone(connection: Connection, registry: str, *, now: datetime) -> bool:
    """A person says that what is gone is gone; true where it was held back. Those that turn gone later are counted."""
    if _held(connection, registry, now) is None:
        return False
    sweep_marks.put(connection, _ACCEPTED, registry, milliseconds(now), now=now)
    _let_go(connection, registry, now=now)
    return True


def let_go_of_returned(connection: Connection, registry: str, *, now: datetime) -> bool:
    """Hold nothing back any more where the tags are there again; true where something was."""
    held = _held(connection, registry, now)
    if held is None:
        return False
    in_git = fields.in_git(connection, registry=registry)
    if _gone_since(connection, in_git, max(held.held_at - _WITHIN, _accepted_at(connection, registry))):
        return False
    _let_go(connection, registry, now=now)
    return True


def _held(connection: Connection, registry: str, now: datetime) -> HeldBack | None:
    """What is held back of a registry, which is counted by nobody else before this transaction ends."""
    sweep_marks.lock(connection, _ACCEPTED, registry, now=now)
    its = (SWEEP, key_of(registry))
    return next((one for one in storms.every(connection) if (one.sweep, one.key) == its), None)


def _let_go(connection: Connection, registry: str, *, now: datetime) -> None:
    storms.let_go(connection, SWEEP, key_of(registry))
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
