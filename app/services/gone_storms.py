"""When many tags in Git turn gone at once, the registry is doubted until a person says that they are."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from app.core.images import ImageName
from app.db import catalogue, fields, held_back, lanes, sweep_marks
from app.db.held_back import HeldBack
from app.db.tables import milliseconds
from app.services.systems import Timing

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

    Many are more than five, or two and a tenth of all that are in Git of this registry.
    """
    in_git = fields.in_git(connection, registry=registry)
    gone = _gone_since(connection, in_git, max(now - _WITHIN, _accepted_at(connection, registry)))
    if len(gone) <= _MOST and (len(gone) < _FEWEST or len(gone) * _A_PART < len(in_git)):
        return
    sample = f"{len(gone)} of {len(in_git)} tags in Git: {', '.join(gone[:_SAMPLE])}{', …' if gone[_SAMPLE:] else ''}"
    held = HeldBack(sweep=SWEEP, key=key_of(registry), found=len(gone), sample=sample[:1000], held_at=now)
    held_back.hold(connection, held)


def doubted_registries(connection: Connection, registries: Iterable[str]) -> AbstractSet[str]:
    """Those of these registries whose tags in Git count as there, whatever they answer, until a person accepts it."""
    keys = {one.key for one in held_back.every(connection) if one.sweep == SWEEP}
    return {registry for registry in registries if key_of(registry) in keys}


def accept_gone(connection: Connection, registry: str, *, now: datetime, timing: Timing) -> bool:
    """A person says that what is gone is gone; true where it was held back. Those that turn gone later are counted."""
    return _let_go(connection, registry, now=now, timing=timing, is_accepted=True)


def let_go_of_returned(connection: Connection, registry: str, *, now: datetime, timing: Timing) -> bool:
    """Hold nothing back any more where the tags are there again; true where something was."""
    held = next((one for one in held_back.every(connection) if one.key == key_of(registry)), None)
    if held is None:
        return False
    in_git = fields.in_git(connection, registry=registry)
    if _gone_since(connection, in_git, max(held.held_at - _WITHIN, _accepted_at(connection, registry))):
        return False
    return _let_go(connection, registry, now=now, timing=timing, is_accepted=False)


def _let_go(connection: Connection, registry: str, *, now: datetime, timing: Timing, is_accepted: bool) -> bool:
    key = key_of(registry)
    if not any(one.sweep == SWEEP and one.key == key for one in held_back.every(connection)):
        return False
    held_back.let_go(connection, SWEEP, key)
    if is_accepted:
        sweep_marks.put(connection, _ACCEPTED, registry, milliseconds(now), now=now)
    images = {ImageName.of_repository(repository) for repository, _ in fields.in_git(connection, registry=registry)}
    keys = sorted({lane for image in images for lane in lanes.lanes_of_image(connection, image)})
    lanes.raise_wanted(connection, keys, now=now, quiet=timing.quiet, max_wait=timing.max_wait)
    return True


def _accepted_at(connection: Connection, registry: str) -> datetime:
    mark = sweep_marks.of(connection, _ACCEPTED, [registry]).get(registry, 0)
    return datetime.fromtimestamp(mark / 1000, tz=UTC)


def _gone_since(connection: Connection, in_git: AbstractSet[tuple[str, str]], since: datetime) -> list[str]:
    """Which of these tags their registry denied after a time."""
    found: list[str] = []
    for repository in sorted({repository for repository, _ in in_git}):
        image = ImageName.of_repository(repository)
        named = [tag for name, tag in in_git if name == repository]
        for known in catalogue.tags_named(connection, image, named):
            at = known.looked_at
            if known.sighting.is_proven_gone and at is not None and at > since:
                found.append(f"{repository}:{known.tag}")
    return found
