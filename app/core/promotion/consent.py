"""Consent to change requests: where the config repository lets tags in that only their builds made, and how it may."""

from collections.abc import Mapping
from dataclasses import replace

from app.core.flux.objects import PolicyName
from app.core.promotion.rules import Rules, Stage
from app.core.promotion.state import PolicyState
from app.core.promotion.tags import TagState, is_admissible, with_consent

MOST_NAMED = 3


def in_stage(state: PolicyState, stage: Stage, rules: Rules) -> PolicyState:
    """A policy as one stage sees it: with tags of change requests among its candidates where these may enter."""
    return consented(state) if rules.takes_change_requests(stage, state.name) else state


def consented(state: PolicyState) -> PolicyState:
    """A policy as those of its stages see it that let tags of change requests in; the same where none does."""
    if state.with_changes is None:
        return state
    tags = {name: with_consent(tag) for name, tag in state.tags.items()}
    return replace(state, selection=state.with_changes, tags=tags, barred_tags=())


def is_candidate(tag: TagState, *, takes_change_requests: bool = False) -> bool:
    """Tell whether policies may choose a tag: it is there, and not only builds that bar it made it."""
    return not tag.is_gone and is_admissible(with_consent(tag) if takes_change_requests else tag)


def barred_by_changes(tags: Mapping[str, TagState]) -> set[str]:
    """The tags that are no candidates only because builds of change requests made them."""
    return {
        name for name, tag in tags.items() if not is_candidate(tag) and is_candidate(tag, takes_change_requests=True)
    }


def only_barred_words(policy: PolicyName, tags: tuple[str, ...]) -> str:
    """That a policy matches nothing else, and both ways in which the config repository consents."""
    named = f"{', '.join(tags[:MOST_NAMED])}{', …' if len(tags) > MOST_NAMED else ''}"
    return (
        f"only builds of change requests made the tags that it matches ({named}), which are no candidates unless "
        ".fluxbridge.yaml consents: for a stage by `requires: {build: {change_requests: allow}}`, or for the policy by "
        f'`change_requests: {{allow: ["{policy.namespace}/{policy.name}"]}}`'
    )
