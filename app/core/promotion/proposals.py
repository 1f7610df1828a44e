"""What belongs in one pull request: the changes of fields that one promotion makes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.core.flux.objects import PolicyName
from app.core.flux.tree import Field
from app.core.manifests.places import Part
from app.core.promotion.downward import Downward
from app.core.promotion.field_texts import text_of
from app.core.promotion.gates.answers import GateAnswers
from app.core.promotion.requests import Request, Undone
from app.core.promotion.state import FieldState, PolicyState
from app.core.promotion.tags import BuildReport, TagState, deciding_build

Place = tuple[str, str]
"""A stage and a policy, by their names."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field, from an old to a new text."""

    field: Field
    new_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One policy moving to a tag in one stage, with the reasons for it and what every gate answered.

    `known` is what is known of the tag, with the digest that is written. `decided_at` is the newest fact that decided
    it: when we first saw the push, or learned what a gate rests on. `from_image` is the image that it moves away from,
    where that is another; `downward` says that, and why, it goes below what is in Git. `undoes` is what a request takes
    back.
    """

    policy: PolicyName
    image: str
    from_tag: str | None
    known: TagState
    reasons: tuple[str, ...]
    answers: GateAnswers
    decided_at: datetime
    changes: tuple[Change, ...]
    from_image: str | None = None
    downward: Downward | None = None
    undoes: Undone | None = None

    @property
    def tag(self) -> str:
        """The tag that it moves to."""
        return self.known.tag

    @property
    def digest(self) -> str | None:
        """The digest of that tag which is written, or is known of it."""
        return self.known.digest

    @property
    def build(self) -> BuildReport | None:
        """The build that counts for the tag, whether a gate asked for it or not; None where none is known."""
        return deciding_build(self.known)

    @property
    def was(self) -> str | None:
        """What it moves away from: a tag, with its image where that is another."""
        if self.from_image is None:
            return self.from_tag
        return f"{self.from_image}:{self.from_tag}" if self.from_tag else self.from_image


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The pull request that should exist: its branch, and the moves that it makes, in the order of their policies.

    `request` is what a person asked for, where that is what it carries out.
    """

    stage: str
    group: str
    branch: str
    moves: tuple[Move, ...]
    labels: tuple[str, ...] = ()
    request: Request | None = None

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes of all moves, in the order of files."""
        every = (change for move in self.moves for change in move.changes)
        return tuple(sorted(every, key=lambda change: (change.field.file, change.field.marked.start)))

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it edits, in order."""
        return tuple(sorted({change.field.file for move in self.moves for change in move.changes}))

    @property
    def tags(self) -> Mapping[str, str]:
        """The tag that it brings for each policy."""
        return {str(move.policy): move.tag for move in self.moves}

    @property
    def places(self) -> tuple[Place, ...]:
        """The stage and policy of each move."""
        return tuple((self.stage, str(move.policy)) for move in self.moves)

    @property
    def decided_at(self) -> datetime:
        """The newest fact that decided any of it."""
        return max(move.decided_at for move in self.moves)


@dataclass(frozen=True, slots=True)
class CannotWrite:
    """Why a tag cannot be written into a field; `is_for_now` where it can be once its digest is known."""

    reason: str
    is_for_now: bool = False


def changes_for(state: PolicyState, fields: Sequence[FieldState], tag: TagState) -> tuple[Change, ...] | CannotWrite:
    """The changes that bring these fields to a tag: all of them, or none with the reason."""
    changes: list[Change] = []
    digest = digest_for(state, fields, tag)
    for one in fields:
        text = _text_for(state, one.field, tag, digest)
        if isinstance(text, CannotWrite):
            return text
        if not one.field.marked.holds(text):
            changes.append(Change(one.field, text))
    return tuple(changes)


def digest_for(state: PolicyState, fields: Sequence[FieldState], tag: TagState) -> str | None:
    """The digest to write beside a tag into these fields of one stage, by the policy's digestReflectionPolicy.

    Source: image-reflector-controller. IfNotPresent keeps the digest that came with the tag first: here the one that
    is in Git, in this stage before the others, else the one that an open pull request would bring. Fields that hold a
    tag with its digest have one under Never too, which is kept likewise.
    """
    reflection = state.policy.digest_reflection
    if reflection == "Never" and any(one.field.marked.part is Part.TAG_DIGEST for one in fields):
        reflection = "IfNotPresent"
    if reflection == "Never":
        return None
    if tag.tag in state.asked_digests:
        return state.asked_digests[tag.tag]
    if reflection == "IfNotPresent":
        for some in (fields, state.fields):
            kept = _written_digests(some, tag.tag)
            if kept:
                return tag.digest if tag.digest in kept else min(kept)
        if tag.tag in state.proposed_digests:
            return state.proposed_digests[tag.tag]
    return tag.digest


def _written_digests(fields: Sequence[FieldState], tag: str) -> set[str]:
    """The digests in Git that stand beside a tag of the policy's own image: in one text, or in fields of one file."""
    named: dict[str, set[str | None]] = defaultdict(set)
    others: set[str] = set()
    for one in fields:
        if one.tag is not None:
            named[one.field.file].add(one.tag)
        if one.other_image is not None:
            others.add(one.field.file)
    return {
        digest
        for one in fields
        if named[one.field.file] == {tag} and one.field.file not in others and (digest := one.digest) is not None
    }


def _text_for(state: PolicyState, field: Field, tag: TagState, digest: str | None) -> str | CannotWrite:
    part, is_reflected = field.marked.part, state.policy.digest_reflection != "Never"
    written = digest if is_reflected or part is Part.TAG_DIGEST else None
    text = text_of(part, image=state.policy.image_text, tag=tag.tag, digest=written)
    is_owed = is_reflected and part is Part.REFERENCE and written is None
    return _no_digest(state, field, tag) if text is None or is_owed else text


def _no_digest(state: PolicyState, field: Field, tag: TagState) -> CannotWrite:
    wanted = f"{field.file}:{field.marked.line} wants the digest of {tag.tag}"
    if state.policy.digest_reflection == "Never" and field.marked.part is Part.DIGEST:
        return CannotWrite(f"{wanted}, but digestReflectionPolicy Never gives none")
    return CannotWrite(f"{wanted}, which is not known yet", is_for_now=True)
