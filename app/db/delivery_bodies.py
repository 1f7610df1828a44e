"""How the body of a delivery is stored: packed where that makes it smaller, else as it came."""

import zlib
from dataclasses import dataclass

from app.core.errors import Invalid

# What comes under load is packed fast; a higher level gains a few percent for twice the time.
_LEVEL = 1


class DamagedBody(Invalid):
    """A stored body is not what was once packed."""

    def __init__(self) -> None:
        super().__init__("the stored body is damaged and cannot be read: restore the database from a copy")


@dataclass(frozen=True, slots=True)
class StoredBody:
    """The bytes that are stored; `unpacked_bytes` is the size of the body as it came, None where these are it."""

    stored: bytes
    unpacked_bytes: int | None = None


def pack(body: bytes) -> StoredBody:
    """Pack a body with zlib, where that makes it smaller. Takes up to a quarter of a second for 5 MiB."""
    packed = zlib.compress(body, _LEVEL)
    return StoredBody(packed, len(body)) if len(packed) < len(body) else StoredBody(body)


def unpack(body: StoredBody) -> bytes:
    """The body as it came, and never more bytes than were let in then. Raises DamagedBody."""
    if body.unpacked_bytes is None:
        return body.stored
    unpacking = zlib.decompressobj()
    try:
        # One more than there should be: without it the checksum at the end is not looked at.
        found = unpacking.decompress(body.stored, body.unpacked_bytes + 1)
    except zlib.error:
        raise DamagedBody from None
    if not unpacking.eof or len(found) != body.unpacked_bytes:
        raise DamagedBody
    return found
