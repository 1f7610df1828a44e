"""What the fields of one stage have now, and where they do not tell."""

from collections.abc import Sequence

from app.core.manifests.places import Part
from app.core.promotion.state import FieldState, PolicyState

_MOST_NEAR_MISSES = 3


def present_tag(fields: Sequence[FieldState]) -> str | None:
    """The tag that is there; where some of the fields have another image than the policy's, a tag of that."""
    tags = sorted((one for one in fields if one.tag is not None), key=lambda one: one.other_image is None)
    return tags[0].tag if tags else None


def other_image(fields: Sequence[FieldState]) -> str | None:
    """The image, other than the policy's, that is there; None where all is of the policy's own."""
    return next((one.other_image for one in _of_others(fields)), None)


def why_moved(policy: PolicyState, fields: Sequence[FieldState]) -> str | None:
    """That the fields are of another image than the policy chooses from; None where they are not."""
    of_others = _of_others(fields)
    if not of_others:
        return None
    there = of_others[0].shown or of_others[0].other_image
    return f"{there} is there, and the policy chooses from {policy.policy.image_text}"


def why_no_tag(policy: PolicyState, fields: Sequence[FieldState]) -> str | None:
    """Why these fields cannot tell what is there: they are names only; with the markers that may have been meant."""
    if any(one.field.marked.part is not Part.NAME for one in fields):
        return None
    files = {one.field.file for one in fields}
    near = [one for one in policy.near_misses if one.file in files]
    told = [f"{one.file}:{one.line or 1}: {one.what}" for one in near[:_MOST_NEAR_MISSES]]
    return "; ".join(["no field names a tag or digest", *told])


def _of_others(fields: Sequence[FieldState]) -> Sequence[FieldState]:
    """The fields of another image, those that name a tag first."""
    return sorted((one for one in fields if one.other_image is not None), key=lambda one: one.tag is None)
