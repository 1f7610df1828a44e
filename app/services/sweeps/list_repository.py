"""List a repository in full, and take in what the list tells, in short transactions."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from app.core.errors import Refused, Unavailable
from app.core.images import ImageName, is_signature_tag, is_tag
from app.core.ports import Registry
from app.db import catalogue, lanes, listing_problems, listing_wishes, storms
from app.db.database import Database
from app.db.listed_tags import TagList, Told, record_listed
from app.services.catalogue.keep_selections import keep_selections
from app.services.sweeps.ask_about_gone import ask_about_gone
from app.services.sweeps.sweep_run import SweepRun

_PAGE = 500
_AT_ONCE = 300
_SAMPLE = 5


def list_repository(run: SweepRun, image: ImageName) -> None:
    """List one repository and take in what is new, back, missing or gone.

    More than may come at once, also of tags that are missing, is a storm, and so is a list that is suddenly empty;
    the first list never is. Why it cannot be listed stands with the repository; raises Unavailable, Refused.
    """
    registry = run.systems.registry_of(image)
    if registry is None:
        _drop_wish(run, image)
        return
    listed = _listed(run, registry, image)
    told = _told(run.database, image, listed)
    news = sorted(tag for tag, one in told.items() if one in {Told.NEW, Told.MISSING})
    is_emptied = not listed.present and bool(news) and not run.is_confirmed
    if listed.before_at is not None and (run.is_too_much(len(news)) or is_emptied):
        run.note_storm(str(image), len(news), _counted(told), news)
        _drop_wish(run, image)
        return
    left, short = ask_about_gone(run, registry, image, told)
    run.find(f"{image}: {_counted(left)}", len(left))
    if not run.is_dry:
        _take_in(run, image, sorted(left), listed)
        _note_short(run, image, short, listed.asked_at)


def _listed(run: SweepRun, registry: Registry, image: ImageName) -> TagList:
    asked_at = run.now()
    try:
        names = registry.tags(image.path)
    except (Unavailable, Refused) as error:
        if not run.is_dry:
            _note_problem(run, image, str(error), asked_at)
        raise
    with run.database.transaction() as connection:
        before_at = catalogue.listed_at(connection, image)
    present = {tag for tag in names if is_tag(tag) and not is_signature_tag(tag)}
    return TagList(present=present, asked_at=asked_at, before_at=before_at)


def _note_problem(run: SweepRun, image: ImageName, problem: str, asked_at: datetime) -> None:
    """Write down why there is no list; the lanes that wait for one say so with their next run."""
    now = run.now()
    with run.database.transaction() as connection:
        is_news = listing_problems.note(connection, image, problem, asked_at=asked_at)
        if is_news and not catalogue.is_listed(connection, image):
            lanes.raise_wanted(connection, lanes.lanes_of_image(connection, image), now=now)


def _note_short(run: SweepRun, image: ImageName, short: Sequence[str], asked_at: datetime) -> None:
    if short:
        shown = f"{', '.join(short[:_SAMPLE])}{', …' if short[_SAMPLE:] else ''}"
        problem = f"its list is short: it lacks {shown}, although the manifest is there"
        run.find(f"{image}: {problem}", len(short))
        with run.database.transaction() as connection:
            listing_problems.note(connection, image, problem, asked_at=asked_at)


def _told(database: Database, image: ImageName, listed: TagList) -> dict[str, Told]:
    told: dict[str, Told] = dict.fromkeys(listed.present, Told.NEW)
    after, are_more = "", True
    while are_more:
        with database.transaction() as connection:
            some = catalogue.tags_after(connection, image, after, limit=_PAGE)
        for known in some:
            told.pop(known.tag, None)
        told |= listed.tells_of(some)
        after, are_more = some[-1].tag if some else "", len(some) == _PAGE
    return told


def _take_in(run: SweepRun, image: ImageName, names: Sequence[str], listed: TagList) -> None:
    """Write what the list tells; it counts as taken in, and the lanes are due, only with the last of it."""
    now = run.now()
    has_news = False
    for some, is_last in _stretches(names):
        run.go_on()
        with run.database.transaction() as connection:
            catalogue.lock(connection, [image], now)
            touched = record_listed(connection, image, some, listed, now)
            keep_selections(connection, run.ready, image, touched)
            has_news |= bool(touched)
            if not is_last:
                continue
            catalogue.end_listing(connection, image, now, asked_at=listed.asked_at)
            storms.end(connection, "tags", str(image))
            is_first = listed.before_at is None
            keys = sorted(lanes.lanes_of_image(connection, image)) if has_news or is_first else []
            lanes.raise_wanted(connection, keys, now=now)


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


def _drop_wish(run: SweepRun, image: ImageName) -> None:
    if not run.is_dry:
        with run.database.transaction() as connection:
            listing_wishes.drop_wish(connection, image)
