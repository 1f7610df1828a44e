"""The server proves to the command line of its machine that it knows its token, before that is sent to it."""

import hmac
from ipaddress import IPv6Address, ip_address
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse

from app.web.parts import Parts

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


def proof_router() -> APIRouter:
    """What is asked before a token is sent."""
    router = APIRouter(include_in_schema=False)

    @router.get(PROOF_PATH, response_class=PlainTextResponse)
    async def prove(request: Request, parts: Parts, nonce: Annotated[str, Query(pattern="^[0-9a-f]{64}$")]) -> str:
        """Show that this server knows the token of its data folder, on this connection."""
        host, port = request.scope["server"]
        return proof_of(parts.local_token, nonce, host=host, port=port)

    return router
