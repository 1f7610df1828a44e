"""The server proves to the command line of its machine that it knows its token, before that is sent to it."""

import hmac
from ipaddress import IPv6Address, ip_address

PROOF_PATH = "/proof"
_PURPOSE = "fluxbridge: the server of this data folder, version 1"


def proof_of(token: str, nonce: str, *, host: str, port: int) -> str:
    """HMAC-SHA256 under the token, as hex, of a nonce and the address that the connection leads to.

    Who passes the question on to the real server gets the proof of another address than its own.
    """
    message = f"{_PURPOSE}\n{nonce}\n{_as_one(host)}\n{port:d}"
    return hmac.digest(token.encode(), message.encode(), "sha256").hex()


def _as_one(host: str) -> str:
    """A socket for both kinds of addresses writes those of IPv4 in its own way."""
    address = ip_address(host)
    return str((address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address)
