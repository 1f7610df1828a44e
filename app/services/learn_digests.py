"""Learn the digests of selected tags that only a list has told of: a list has names and no digests."""

from collections.abc import Sequence

from app.core.errors import Refused, Unavailable
from app.core.promotion.state import PolicyState
from app.db import catalogue
from app.services.keep_selections import keep_selections
from app.services.lane_run import LaneRun


def learn_digests(run: LaneRun, states: Sequence[PolicyState]) -> bool:
    """Ask the registry for the digest of each selection that has none yet; true when one was learned.

    What cannot be asked is left for later.
    """
    has_learned = False
    for state in states:
        selected = state.selection.tag if state.selection is not None else None
        if selected is None or state.policy.image is None or state.tags[selected].digest is not None:
            continue
        image = run.systems.known_as(state.policy.image)
        registry = run.systems.registry_of(image)
        if registry is None:
            continue
        try:
            digest = registry.digest(image.path, selected)
        except (Unavailable, Refused) as error:
            run.notes.append(f"the digest of {image}:{selected} is not known: {error}")
            continue
        if digest is None:
            # One answer is no deletion: only a delete event, or two lists without it, make a tag gone.
            run.notes.append(f"the registry has no {image}:{selected} just now")
            continue
        # A fact, not the lane's own: taking the lane's row first would deadlock with a delivery about this tag.
        with run.database.transaction() as connection:
            catalogue.lock(connection, [image], run.now())
            catalogue.set_digest(connection, image, selected, digest, looked_at=run.now())
            keep_selections(connection, run.ready, image, [selected])
        has_learned = True
    return has_learned
