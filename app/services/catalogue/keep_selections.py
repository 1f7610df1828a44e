"""Keep selections: every fact about a tag moves the stored choices along, without a look at the other tags."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from sqlalchemy import Connection

from app.core.images import ImageName
from app.core.policies.advance import StoredChoice, advance, retract
from app.core.policies.spec import InvalidPolicy, PolicySpec
from app.core.policies.stored import read_spec
from app.core.promotion.consent import is_candidate
from app.core.promotion.tags import TagState
from app.db import selections
from app.db.selections import SelectionRow
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.catalogue.tag_states import states_of_some

_MOST_AT_ONCE = 200


def keep_selections(connection: Connection, ready: ReadyPolicies, image: ImageName, tags: Iterable[str]) -> None:
    """Bring an image's stored choices up to date with what is now known of these tags, and say so of no others.

    It does not matter what was known of them before. The caller has locked the image (`catalogue.lock`) in the same
    transaction, before anything was written about its tags. Many tags at once: the choices are worked out when wanted.
    """
    keep_all_selections(connection, ready, {image: set(tags)})


def keep_all_selections(
    connection: Connection, ready: ReadyPolicies, touched: Mapping[ImageName, AbstractSet[str]]
) -> None:
    """The same for some images, all of which the caller has locked."""
    stored: dict[ImageName, list[SelectionRow]] = defaultdict(list)
    for row in selections.of_images(connection, touched):
        stored[ImageName.of_repository(row.image)].append(row)
    known: dict[ImageName, AbstractSet[str]] = {}
    for image, rows in sorted(stored.items()):
        if any(one.is_foreign for one in rows):
            # Another version of the program that runs beside this one works its own out again.
            selections.drop_foreign(connection, image)
        if len(touched[image]) > _MOST_AT_ONCE:
            selections.forget(connection, image)
        elif touched[image]:
            known[image] = touched[image]
    states = states_of_some(connection, known, is_history_wanted=False)
    moved = [
        (image, *one)
        for image, tags in known.items()
        for row in stored[image]
        for one in _moved(ready, row, {tag: states[image].get(tag) for tag in tags})
    ]
    selections.store_all(connection, moved)


def _moved(
    ready: ReadyPolicies, row: SelectionRow, tags: Mapping[str, TagState | None]
) -> Iterator[tuple[PolicySpec, StoredChoice | None]]:
    """What a spec chooses now, if that is another than before."""
    spec = read_spec(json.loads(row.spec))
    if spec is None or row.stored_choice is None:
        return
    stored_choice = _advanced(ready, spec, row.stored_choice, tags)
    if stored_choice != row.stored_choice:
        yield spec, stored_choice


def _advanced(
    ready: ReadyPolicies, spec: PolicySpec, stored_choice: StoredChoice, tags: Mapping[str, TagState | None]
) -> StoredChoice | None:
    """What a spec chooses now; None where only a full evaluation tells."""
    try:
        compiled = ready.of(spec)
    except InvalidPolicy:
        return None  # an older version took it
    now: StoredChoice | None = stored_choice
    for tag, state in tags.items():
        if now is not None:
            step = advance if state is not None and is_candidate(state) else retract
            now = step(compiled, now, tag)
    return now
