"""Where the server proves that it knows its token."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse

from app.core.server_proof import PROOF_PATH, proof_of
from app.web.parts import Parts


def proof_router() -> APIRouter:
    """What is asked before a token is sent."""
    router = APIRouter(include_in_schema=False)

    @router.get(PROOF_PATH, response_class=PlainTextResponse)
    async def prove(request: Request, parts: Parts, nonce: Annotated[str, Query(pattern="^[0-9a-f]{64}$")]) -> str:
        """Show that this server knows the token of its data folder, on this connection."""
        host, port = request.scope["server"]
        return proof_of(parts.local_token, nonce, host=host, port=port)

    return router
