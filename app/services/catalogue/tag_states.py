"""What is known of tags: the catalogue's rows with what builds reported and what registries have yet to say."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection

from app.core.images import ImageName
from app.core.promotion.tags import BuildReport, TagState
from app.db import build_reports, catalogue, owed_answers
from app.db.catalogue import KnownTag
from app.db.database import Database
from app.db.owed_answers import OwedAnswer

_PAGE = 2_000
_UNSHOWN = "the registry has not shown it yet"


def states_of_tags(
    connection: Connection, image: ImageName, tags: Iterable[str], *, is_history_wanted: bool = True
) -> dict[str, TagState]:
    """What is known of these tags; those that nobody has told of are left out.

    Without history what builds said of digests that the tags named before is left out: no candidate depends on it.
    """
    return states_of_some(connection, {image: tags}, is_history_wanted=is_history_wanted)[image]


def states_of_some(
    connection: Connection, tags: Mapping[ImageName, Iterable[str]], *, is_history_wanted: bool
) -> Mapping[ImageName, dict[str, TagState]]:
    """The same for some images."""
    known: dict[ImageName, list[KnownTag]] = {image: [] for image in tags}
    for one in catalogue.tags_of(connection, tags):
        known[ImageName.of_repository(one.image)].append(one)
    digests = {image: {one.tag: one.digest for one in its} for image, its in known.items()}
    reports = build_reports.reports_on_some(connection, digests, is_history_wanted=is_history_wanted)
    owed: dict[ImageName, list[OwedAnswer]] = defaultdict(list)
    for answer in owed_answers.of_tags(connection, digests) if is_history_wanted else ():
        owed[answer.image].append(answer)
    return {image: _join(its, reports[image], owed[image]) for image, its in known.items()}


def states_of_all(database: Database, image: ImageName) -> dict[str, TagState]:
    """What is known of every tag of an image, read in many short transactions: each keeps webhooks waiting."""
    known: list[KnownTag] = []
    while True:
        with database.transaction() as connection:
            some = catalogue.tags_after(connection, image, known[-1].tag if known else "", limit=_PAGE)
        known += some
        if len(some) < _PAGE:
            break
    reports: list[BuildReport] = []
    after, are_more = 0, True
    while are_more:
        with database.transaction() as connection:
            told, after = build_reports.reports_after(connection, image, after, limit=_PAGE)
        reports += told
        are_more = len(told) == _PAGE
    with database.transaction() as connection:
        owed = owed_answers.of_image(connection, image)
    return _join(known, reports, owed)


def _join(
    known_tags: Sequence[KnownTag], reports: Sequence[BuildReport], owed: Iterable[OwedAnswer]
) -> dict[str, TagState]:
    """Tags with the builds that named them or their digest, and what the registry has still to say of them."""
    owed_of = {one.reference: one for one in owed}
    by_tag: dict[str, list[BuildReport]] = defaultdict(list)
    by_digest: dict[str, list[BuildReport]] = defaultdict(list)
    for report in sorted(reports, key=lambda one: (one.build_id, one.tag, one.digest or "")):
        by_tag[report.tag].append(report)
        if report.digest is not None:
            by_digest[report.digest].append(report)
    states: dict[str, TagState] = {}
    for known in known_tags:
        its = {
            (one.build_id, one.tag, one.digest): one
            for one in [*by_tag.get(known.tag, []), *by_digest.get(known.digest or "", [])]
        }
        states[known.tag] = TagState(
            tag=known.tag,
            digest=known.digest,
            first_seen_at=known.first_seen_at,
            is_gone=known.is_gone,
            reports=tuple(its.values()),
            asked_at=known.presence.digest_at or known.asked_at,
            is_unlisted=known.presence.is_unlisted,
            unshown=why_unshown(known, owed_of.get(known.tag)),
            doubt=_doubt(known),
        )
    return states


def _doubt(known: KnownTag) -> str | None:
    """What is missing for a tag that seems to be gone to be so where it is in Git."""
    if not known.is_gone or known.presence.is_proven_gone:
        return None
    if known.presence.is_unlisted:
        return "lists of its repository lack it, and whether its manifest is there is still to be asked"
    return "the registry did not have it when it was asked, but nothing tells of its deletion"


def why_unshown(known: KnownTag, owed: OwedAnswer | None) -> str | None:
    """Why nothing that was told of a tag counts yet, also of one that was shown before and may be another since.

    None: the registry has said all that it was asked.
    """
    if owed is None:
        return None if known.presence.is_shown or known.is_gone else _UNSHOWN
    if owed.error is None:
        return f"{_UNSHOWN}; it is being asked"
    return f"{_UNSHOWN}: {owed.error}; asked again at {owed.due_at:%Y-%m-%d %H:%M:%S} UTC"
