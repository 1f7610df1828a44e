"""A push moves a policy's stored choice along without a look at the other tags."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from math import isnan
from typing import Self

from app.core.policies.selection import CompiledPolicy, Selection, SelectionError
from app.core.policies.verdicts import TagVerdict, VerdictKind, quoted

ENGINE = 1
"""Goes up with every change in what policies choose or what is a candidate: others' choices are evaluated anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChoice:
    """What a policy chooses among all tags that are known, in a form that can be stored.

    It holds for one spec: the caller evaluates anew when the spec changes or the chosen tag is deleted. `is_unordered`
    tells that a NaN is among the keys, so that every tag that matches calls for a full evaluation.
    """

    tag: str | None = None
    error: SelectionError | None = SelectionError.NO_MATCH
    is_tie: bool = False
    is_unordered: bool = False

    def as_json(self) -> str:
        """The choice as an object in ASCII, of a size like the tag's."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `as_json` wrote."""
        stored = json.loads(text)
        return cls(
            tag=stored["tag"],
            error=None if stored["error"] is None else SelectionError(stored["error"]),
            is_tie=stored["is_tie"],
            is_unordered=stored["is_unordered"],
        )


def choice_among(compiled: CompiledPolicy, tags: Iterable[str]) -> StoredChoice:
    """Evaluate in full.

    >>> from app.core.policies.selection import compile_policy
    >>> from app.core.policies.spec import PolicySpec, SemVer
    >>> choice_among(compile_policy(PolicySpec(SemVer("^1"))), ["1.2.0", "1.10.0", "2.0.0"]).tag
    '1.10.0'
    """
    _, ranking = compiled.evaluate(tags)
    if ranking.spoiler is not None:
        return StoredChoice(error=SelectionError.INVALID_TAG)
    if not ranking.tags:
        return StoredChoice()
    return StoredChoice(tag=ranking.tags[0], error=None, is_tie=ranking.is_tie, is_unordered=ranking.is_unordered)


def advance(compiled: CompiledPolicy, stored_choice: StoredChoice, tag: str) -> StoredChoice | None:
    """What the policy chooses once it knows one more tag: what `choice_among` says of all, at the cost of one.

    Tags may come in any order and again. None where only a full evaluation tells.
    """
    key, value = compiled.read(tag)
    if isinstance(value, TagVerdict):
        is_spoiled = value.kind is VerdictKind.NOT_A_NUMBER
        return StoredChoice(error=SelectionError.INVALID_TAG) if is_spoiled else stored_choice
    if stored_choice.error is SelectionError.INVALID_TAG:
        return stored_choice
    if stored_choice.is_unordered or (isinstance(value, float) and isnan(value)):
        return None
    if stored_choice.tag is None:
        return StoredChoice(tag=tag, error=None)
    return _contest(compiled, stored_choice, tag, tag if key is None else key)


def retract(compiled: CompiledPolicy, stored_choice: StoredChoice, tag: str) -> StoredChoice | None:
    """What the policy chooses once a tag is no candidate any more, or never was one: the counterpart of `advance`.

    None where only a full evaluation tells: the tag was chosen, or it may have spoiled or tied the choice.
    """
    if tag == stored_choice.tag:
        return None
    may_decide = stored_choice.is_tie or stored_choice.is_unordered or stored_choice.error is SelectionError.INVALID_TAG
    if not may_decide:
        return stored_choice
    _, value = compiled.read(tag)
    is_left_out = isinstance(value, TagVerdict) and value.kind is not VerdictKind.NOT_A_NUMBER
    return stored_choice if is_left_out else None


def chosen_only(compiled: CompiledPolicy, stored_choice: StoredChoice) -> Selection:
    """A stored choice as a selection that has the chosen tag and knows nothing of the others."""
    tag, superlative = stored_choice.tag, compiled.order.superlative
    if tag is None:
        is_spoiled = stored_choice.error is SelectionError.INVALID_TAG
        message = "a tag's key is no number" if is_spoiled else "no known tag is eligible"
    else:
        message = f"{quoted(tag)} is {superlative}"
    return Selection(
        tag=tag,
        ranked=() if tag is None else (tag,),
        verdicts={} if tag is None else {tag: TagVerdict(VerdictKind.CHOSEN, superlative)},
        is_tie=stored_choice.is_tie,
        error=stored_choice.error,
        message=message,
        is_whole=tag is None,
    )


def _contest(compiled: CompiledPolicy, stored_choice: StoredChoice, tag: str, key: str) -> StoredChoice | None:
    """Set a tag that can be chosen against the one that is."""
    assert stored_choice.tag is not None  # noqa: S101 (the caller has looked)
    chosen_key, chosen_value = compiled.read(stored_choice.tag)
    if isinstance(chosen_value, TagVerdict):
        return None  # It stood under another spec.
    if chosen_key is None:
        chosen_key = stored_choice.tag
    if key == chosen_key:
        return StoredChoice(tag=min(tag, stored_choice.tag), error=None, is_tie=stored_choice.is_tie)
    preference = compiled.order.compare(key, chosen_key)
    if preference is None:
        return None
    if preference:
        return StoredChoice(tag=tag, error=None) if preference > 0 else stored_choice
    # Two keys of one value: which of them is first in Flux's list decides.
    is_first = (key > chosen_key) == compiled.direction.is_highest_key_first
    return StoredChoice(tag=tag if is_first else stored_choice.tag, error=None, is_tie=compiled.direction.is_filtered)
