"""What the text of a field says of an image, and the text that says it of another."""

from typing import assert_never

from app.core.errors import Invalid
from app.core.images import ImageReference, is_digest, is_tag, tag_of_version, version_of_tag
from app.core.manifests.places import Part

_OF_TAG = (Part.TAG, Part.VERSION)


def tag_in(part: Part, text: str) -> str | None:
    """Read the tag out of a field's text."""
    if part in _OF_TAG:
        tag = tag_of_version(text) if part is Part.VERSION else text
        return tag if is_tag(tag) else None
    if part is Part.TAG_DIGEST:
        tag, at, digest = text.partition("@")
        return tag if is_tag(tag) and (not at or is_digest(digest)) else None
    if part is not Part.REFERENCE:
        return None
    try:
        return ImageReference.parse(text).tag
    except Invalid:
        return None


def digest_in(part: Part, text: str) -> str | None:
    """Read the digest out of a field's text."""
    if part is Part.DIGEST:
        return text or None
    if part is Part.TAG_DIGEST:
        return text.partition("@")[2] if tag_in(part, text) else None
    if part is not Part.REFERENCE:
        return None
    try:
        return ImageReference.parse(text).digest
    except Invalid:
        return None


def text_of(part: Part, *, image: str, tag: str, digest: str | None) -> str | None:
    """The text of a field that holds a part of an image; None where that wants a digest and there is none."""
    at = f"@{digest}" if digest else ""
    match part:
        case Part.REFERENCE:
            text: str | None = f"{image}:{tag}{at}"
        case Part.NAME:
            text = image
        case Part.TAG:
            text = tag
        case Part.TAG_DIGEST:
            text = f"{tag}{at}" if at else None
        case Part.VERSION:
            text = version_of_tag(tag)
        case Part.DIGEST:
            text = digest
        case _:
            assert_never(part)
    return text
