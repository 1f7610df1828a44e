"""List a repository in full, and take in what the list tells, in short transactions."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

from app.core.images import ImageName, is_signature_tag, is_tag
from app.core.ports import Registry
from app.db import catalogue, held_back, lanes
from app.db.catalogue import Told
from app.db.database import Database
from app.services.keep_selections import keep_selections
from app.services.look import Look

_PAGE = 500
_AT_ONCE = 300


def list_repository(look: Look, image: ImageName) -> None:
    """List one repository and take in what is new, back, missing or gone.

    More than may come at once, also of tags that are missing, is held back, and so is a list that is suddenly empty;
    the first list never is.
    """
    registry = look.systems.registry_of(image)
    if registry is None:
        _drop_wish(look, image)
        return
    asked_at = look.now()
    present = _listed(registry, image)
    told = _told(look.database, image, present)
    with look.database.transaction() as connection:
        is_first = not catalogue.is_listed(connection, image)
    news = sorted(tag for tag, one in told.items() if one in {Told.NEW, Told.MISSING})
    is_emptied = not present and bool(news) and not look.is_confirmed
    if not is_first and (look.is_too_much(len(news)) or is_emptied):
        look.hold(str(image), len(news), _counted(told), news)
        _drop_wish(look, image)
        return
    look.find(f"{image}: {_counted(told)}", len(told))
    if not look.is_dry:
        _take_in(look, image, sorted(told), present, is_first=is_first, asked_at=asked_at)


def _listed(registry: Registry, image: ImageName) -> AbstractSet[str]:
    return {tag for tag in registry.tags(image.path) if is_tag(tag) and not is_signature_tag(tag)}


def _told(database: Database, image: ImageName, present: AbstractSet[str]) -> Mapping[str, Told]:
    told: dict[str, Told] = dict.fromkeys(present, Told.NEW)
    after, are_more = "", True
    while are_more:
        with database.transaction() as connection:
            some = catalogue.listed_after(connection, image, after, limit=_PAGE)
        for known in some:
            told.pop(known.tag, None)
            one = known.told_by(present)
            if one is not None:
                told[known.tag] = one
        after, are_more = some[-1].tag if some else "", len(some) == _PAGE
    return told


def _take_in(  # noqa: PLR0913 (what a list came to, all named)
    look: Look, image: ImageName, names: Sequence[str], present: AbstractSet[str], *, is_first: bool, asked_at: datetime
) -> None:
    """Write what the list tells; it counts as taken in, and the lanes are due, only with the last of it."""
    now, timing = look.now(), look.systems.timing
    has_news = False
    for some, is_last in _stretches(names):
        look.go_on()
        with look.database.transaction() as connection:
            catalogue.lock(connection, [image], now)
            touched = catalogue.record_listed(connection, image, some, present, now)
            keep_selections(connection, look.ready, image, touched)
            has_news |= bool(touched)
            if not is_last:
                continue
            catalogue.end_listing(connection, image, now, asked_at=asked_at)
            held_back.let_go(connection, "tags", str(image))
            keys = sorted(lanes.lanes_of_image(connection, image)) if has_news or is_first else []
            lanes.raise_wanted(connection, keys, now=now, quiet=timing.quiet, max_wait=timing.max_wait)
    if has_news or is_first:
        look.on_lanes_due()


def _stretches(names: Sequence[str]) -> Iterator[tuple[Sequence[str], bool]]:
    for start in range(0, max(len(names), 1), _AT_ONCE):
        yield names[start : start + _AT_ONCE], start + _AT_ONCE >= len(names)


def _counted(told: Mapping[str, Told]) -> str:
    """How many of which.

    >>> _counted({"1.0": Told.NEW, "1.1": Told.NEW, "0.9": Told.GONE})
    '2 new, 1 gone'
    """
    counts = {one: sum(each is one for each in told.values()) for one in Told}
    return ", ".join(f"{count} {one}" for one, count in counts.items() if count) or "nothing new"


def _drop_wish(look: Look, image: ImageName) -> None:
    if not look.is_dry:
        with look.database.transaction() as connection:
            catalogue.drop_wish(connection, image)
