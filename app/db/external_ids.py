"""The ids of senders as they are stored, by which a delivery is known again."""

import hashlib

_LONGEST = 200


def external_key(external_id: str) -> str:
    """The sender's id where it is short plain text, else a hash of it: cut off, two could become one."""
    if len(external_id) <= _LONGEST and external_id.isascii() and external_id.isprintable():
        return external_id
    return f"hash:{hashlib.sha256(external_id.encode(errors='surrogatepass')).hexdigest()}"
