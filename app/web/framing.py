"""Refuse what says twice how long it is: two readers of such a request may see two different ones in it."""

from http import HTTPStatus

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.errors import Invalid
from app.web.errors import answer


class TwoLengths(Invalid):
    """A request has both a Content-Length and a Transfer-Encoding."""

    def __init__(self) -> None:
        super().__init__("the request has both Content-Length and Transfer-Encoding: send one of them")


class OneLength:
    """Answers such a request without reading it, and ends its connection. Source: RFC 9112, 6.1."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is framed in one way."""
        names = {name for name, _ in scope["headers"]} if scope["type"] == "http" else set()
        if not {b"content-length", b"transfer-encoding"} <= names:
            await self.app(scope, receive, send)
            return
        told = answer(Request(scope), HTTPStatus.BAD_REQUEST, TwoLengths(), headers={"Connection": "close"})
        await told(scope, receive, send)
