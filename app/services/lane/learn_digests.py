"""Learn digests: of selected tags that only a list has told of, and again and again where a policy follows them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.core.errors import Refused, Unavailable
from app.core.images import ImageName
from app.core.promotion.state import PolicyState
from app.services.catalogue.note_digest import note_digest
from app.services.lane.run import LaneRun

_SHORTEST_INTERVAL = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(minutes=10)


def learn_digests(run: LaneRun, states: Sequence[PolicyState]) -> bool:
    """Ask the registry for the digest of each selection that has none yet; true when it answered.

    Under digestReflectionPolicy Always it is asked again when the policy's interval is over. What cannot be asked is
    left for later, and a registry that does not answer is asked no more in this run.
    """
    has_learned = False
    asked: set[tuple[ImageName, str]] = set()
    silent: set[str] = set()
    for state, selected in [(one, tag) for one in states for tag in one.chosen_tags]:
        if state.policy.image is None or not _is_wanted(state, selected, run.now()):
            continue
        image = run.systems.known_as(state.policy.image)
        if (image, selected) in asked or image.registry in silent:
            continue
        asked.add((image, selected))
        try:
            has_learned |= _learn(run, image, selected)
        except Unavailable as error:
            silent.add(image.registry)
            run.notes.append(f"the digest of {image}:{selected} is not known: {error}")
        except Refused as error:
            run.notes.append(f"the digest of {image}:{selected} is not known: {error}")
    return has_learned


def _learn(run: LaneRun, image: ImageName, tag: str) -> bool:
    """Ask for one digest and write it down; false where there is none. Raises Unavailable, Refused."""
    registry = run.systems.registry_of(image)
    if registry is None:
        return False
    asked_at = run.now()
    digest = registry.digest(image.path, tag)
    if digest is None:
        # One answer is no deletion: only a delete event, or two lists without it, make a tag gone.
        run.notes.append(f"the registry has no {image}:{tag} just now")
        return False
    # A fact, not the lane's own: taking the lane's row first would deadlock with a delivery about this tag.
    with run.database.transaction() as connection:
        note_digest(
            connection,
            image,
            tag,
            digest,
            asked_at=asked_at,
            now=run.now(),
            ready=run.ready,
            besides=run.lane,
        )
    return True


def digests_due_at(states: Sequence[PolicyState], now: datetime) -> datetime | None:
    """When the registry is to be asked next for a digest that policies follow: not at once where it just failed."""
    times = [
        due_at if due_at > now else now + min(_interval(state), _LONGEST_PAUSE)
        for state in states
        if (due_at := _due_at(state)) is not None
    ]
    return min(times, default=None)


def _is_wanted(state: PolicyState, tag: str, now: datetime) -> bool:
    if state.tags[tag].digest is None:
        return True
    due_at = _due_at(state)
    return due_at is not None and due_at <= now


def _due_at(state: PolicyState) -> datetime | None:
    if not state.fields or state.policy.digest_reflection != "Always":
        return None
    asked = [state.tags[tag].asked_at or state.tags[tag].first_seen_at for tag in state.chosen_tags]
    return min(asked) + _interval(state) if asked else None


def _interval(state: PolicyState) -> timedelta:
    return max(state.policy.digest_interval, _SHORTEST_INTERVAL)
