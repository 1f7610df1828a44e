"""Webhooks: verified, kept and answered; what they say is read later by the workers."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from app.core.errors import Refused
from app.db.deliveries import NewDelivery
from app.senders.sender import Sender, WebhookRequest
from app.services.intake.accept import UnknownSource, accept, find_source, oversized
from app.services.systems import Source
from app.web.errors import BodyTooLarge, KeysUnreadable
from app.web.intake import Intake, Place
from app.web.metrics import ABORTED, WebhookCounts
from app.web.parts import Parts, WebParts

# Hashing or reading more than this would hold up the other requests of the event loop.
_LARGE = 64 * 1024


class Receipt(BaseModel):
    """The id under which a delivery is kept."""

    id: str


def webhook_router(counts: WebhookCounts, intake: Intake) -> APIRouter:
    """The one route that every sender posts to."""
    router = APIRouter(prefix="/webhooks", include_in_schema=False)

    @router.post("/{source}", status_code=HTTPStatus.ACCEPTED)
    async def receive(source: str, request: Request, parts: Parts) -> Receipt:
        """Keep a delivery for the workers. Sending it again changes nothing."""
        try:
            kept = Receipt(id=await _keep(source, request, parts, intake))
        except ClientDisconnect:
            counts.count(source, ABORTED)
            raise
        except Exception as error:
            counts.count_refusal(None if isinstance(error, UnknownSource) else source, error)
            raise
        counts.count(source, HTTPStatus.ACCEPTED)
        return kept

    return router


async def _keep(name: str, request: Request, parts: WebParts, intake: Intake) -> str:
    source, sender = find_source(parts.systems.sources, name)
    head = WebhookRequest(headers=_headers(request), body=b"", query=dict(request.query_params))
    try:
        is_proven = sender.prove_head(head, source.keys(), parts.clock())
        with intake.place(source.name, is_proven=is_proven) as place:
            delivery = await _accept((source, sender), head, request, parts, place)
    except Refused as error:
        raise KeysUnreadable from error
    # Nobody is given its room in between: the inbox counts it before anything else runs on this loop.
    return await parts.inbox.keep(delivery)


async def _accept(
    told_by: tuple[Source, Sender], head: WebhookRequest, request: Request, parts: WebParts, place: Place
) -> NewDelivery:
    """Verify a request, whole or, where the sender would repeat a refused one for ever, without its body."""
    source, sender = told_by
    try:
        body = await _read(request, place, parts.body_limit)
    except BodyTooLarge:
        if not (sender.keeps_oversized and place.is_proven):
            raise
        return oversized(source, size=_declared_size(request), now=parts.clock())
    sent = replace(head, body=body)
    if len(body) > _LARGE:
        # Not on the threads of the API, which a database that does not answer may hold.
        return await asyncio.to_thread(accept, source, sender, sent, parts.clock())
    return accept(source, sender, sent, parts.clock())


async def _read(request: Request, place: Place, limit: int) -> bytes:
    """Read the body, holding no more than the limit. Raises BodyTooLarge as soon as that is known."""
    if (_declared_size(request) or 0) > limit:
        raise BodyTooLarge(limit)
    return await place.read(request.stream(), limit)


def _declared_size(request: Request) -> int | None:
    size = request.headers.get("content-length", "")
    return int(size) if size.isascii() and size.isdigit() and len(size) <= 20 else None


def _headers(request: Request) -> Mapping[str, str]:
    """Header names are lower-case; one that was sent twice is joined, as RFC 9110 has it, and so matches no key."""
    joined: dict[str, str] = {}
    for name, value in request.headers.items():
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
