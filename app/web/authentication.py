"""Who calls the API: bearer tokens with a scope, compared in constant time."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.core.errors import NotAuthentic, Refused
from app.web.errors import KeysUnreadable
from app.web.parts import ApiToken, Parts, Scope


class TokenMissing(NotAuthentic):
    """A request to the API carries no bearer token."""

    def __init__(self) -> None:
        super().__init__("the request carries no token: send `Authorization: Bearer <token>`, one of api.tokens")


class UnknownToken(NotAuthentic):
    """A request to the API carries a token that is not configured."""

    def __init__(self) -> None:
        super().__init__("the token is none of api.tokens: send one that is")


class ScopeMissing(Refused):
    """A token that may only read was used to change something."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the token {name} may only read: this needs one with scope operate")


class AdminMissing(Refused):
    """A token that may not do everything was used to force something."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the token {name} may not force anything: this needs one with scope admin")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, by the name of the token."""

    name: str
    scope: Scope


_bearer = HTTPBearer(auto_error=False, description="One of `api.tokens`")


def require_read(parts: Parts, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Caller:
    """Let in whoever has a token. Raises TokenMissing, UnknownToken, KeysUnreadable."""
    if sent is None or not sent.credentials:
        raise TokenMissing
    try:
        tokens = parts.tokens()
    except Refused as error:
        raise KeysUnreadable from error
    return _find(tokens, sent.credentials)


def require_operate(caller: Annotated[Caller, Depends(require_read)]) -> Caller:
    """Let in whoever may change something. Raises ScopeMissing."""
    if caller.scope == "read":
        raise ScopeMissing(caller.name)
    return caller


def require_admin(caller: Caller) -> None:
    """Let do what only few may. Raises AdminMissing."""
    if caller.scope != "admin":
        raise AdminMissing(caller.name)


Operator = Annotated[Caller, Depends(require_operate)]


def _find(tokens: Sequence[ApiToken], sent: str) -> Caller:
    given = sent.encode("utf-8", "surrogatepass")
    # All are compared, so that the time taken does not tell which one matched. A blank one is no token.
    matching = [one for one in tokens if hmac.compare_digest(_bytes(one.secret), given) and one.secret.strip()]
    if not matching:
        raise UnknownToken
    return Caller(matching[0].name, matching[0].scope)


def _bytes(secret: str) -> bytes:
    # What the environment holds as bytes that are no UTF-8 arrives here as surrogates.
    return secret.encode("utf-8", "surrogateescape")
