"""Moves down: which way a tag is from what is in Git, and why it may go there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.core.manifests.places import Part
from app.core.policies.selection import CompiledPolicy
from app.core.promotion.state import FieldState
from app.core.promotion.tags import TagState


@dataclass(frozen=True, slots=True)
class Downward:
    """That a move goes below what is in Git, as the policy reads tags, and its cause for people."""

    from_tag: str
    cause: str

    def __str__(self) -> str:
        """The words that titles, plans and explanations share."""
        return f"down from {self.from_tag}: {self.cause}"


def downward_to(
    tag: str, fields: Sequence[FieldState], *, compiled: CompiledPolicy | None, tags: Mapping[str, TagState]
) -> Downward | None:
    """Why fields may move down to a tag; None where none of them has a higher one."""
    if compiled is None:
        return None
    order = order_for(compiled, fields)
    for one in fields:
        there = one.own_tag
        if there is None or (order.precedence(there, tag) or 0) <= 0:
            continue
        if not one.is_same_spec:
            return Downward(there, "the policy's spec changed")
        if is_gone_from_git(there, tags):
            return Downward(there, f"tag {there} is gone from the registry")
        if order.compare(there, there) is None:
            return Downward(there, f"the policy has no place for {there} in its order")
    return None


def order_for(compiled: CompiledPolicy, fields: Sequence[FieldState]) -> CompiledPolicy:
    """The policy's order as it holds for these fields: one that names a version of a chart reads `_` as `+`.

    What the policy chooses stays as Flux chooses it, which reads `1.1.0_up2` as no version.
    """
    is_of_charts = any(one.field.marked.part is Part.VERSION for one in fields)
    return compiled.decoding() if is_of_charts else compiled


def is_gone_from_git(tag: str, tags: Mapping[str, TagState]) -> bool:
    """Whether a tag that is in Git is known to be in its registry no more."""
    return tag in tags and tags[tag].is_gone and tags[tag].doubt is None
