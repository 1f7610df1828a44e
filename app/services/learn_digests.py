"""Learn digests: of selected tags that only a list has told of, and again and again where a policy follows them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.core.errors import Refused, Unavailable
from app.core.promotion.state import PolicyState
from app.db import catalogue
from app.services.keep_selections import keep_selections
from app.services.lane_run import LaneRun

_SHORTEST_INTERVAL = timedelta(minutes=1)


def learn_digests(run: LaneRun, states: Sequence[PolicyState]) -> bool:
    """Ask the registry for the digest of each selection that has none yet; true when it answered.

    Under digestReflectionPolicy Always it is asked again when the policy's interval is over. What cannot be asked is
    left for later.
    """
    has_learned = False
    for state in states:
        selected = state.selection.tag if state.selection is not None else None
        if selected is None or state.policy.image is None or not _is_wanted(state, selected, run.now()):
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


def next_look_at_digests(states: Sequence[PolicyState], now: datetime) -> datetime | None:
    """When the registry is to be asked next for a digest that it has told before: not at once where it just failed."""
    looks = [look for look in map(_next_look_at, states) if look is not None]
    return max(min(looks), now + _SHORTEST_INTERVAL) if looks else None


def _is_wanted(state: PolicyState, tag: str, now: datetime) -> bool:
    if state.tags[tag].digest is None:
        return True
    look_at = _next_look_at(state)
    return look_at is not None and look_at <= now


def _next_look_at(state: PolicyState) -> datetime | None:
    tag = state.selection.tag if state.selection is not None else None
    if tag is None or not state.fields or state.policy.digest_reflection != "Always":
        return None
    looked_at = state.tags[tag].looked_at or state.tags[tag].first_seen_at
    return looked_at + max(state.policy.digest_interval, _SHORTEST_INTERVAL)
