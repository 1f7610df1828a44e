"""The web application as a whole."""

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from app.web.api import routes
from app.web.errors import answer_errors
from app.web.framing import OneLength
from app.web.health import Readiness, health_router
from app.web.intake import Intake
from app.web.metrics import (
    LastStatus,
    MetricsPage,
    WebhookCounts,
    malformed_counter,
    metrics_router,
    watch_intake,
)
from app.web.parts import WebParts
from app.web.request_log import RequestLog
from app.web.server_proof import proof_router
from app.web.webhooks import webhook_router


def create_web(parts: WebParts) -> FastAPI:
    """Make a whole application; it owns nothing of what it is given and closes nothing."""
    # The documentation pages would load their scripts from elsewhere; the description itself needs a token.
    app = FastAPI(title="Fluxbridge", version=parts.version, openapi_url=None, docs_url=None, redoc_url=None)
    # A redirect would repeat what stands in the query, and lead wherever the Host says.
    app.router.redirect_slashes = False
    app.root_path = parts.root_path
    app.state.parts = parts
    registry = CollectorRegistry(auto_describe=False)
    status = LastStatus(
        parts.database,
        parts.clock,
        applied_within=parts.systems.timing.applied_within,
        fresh_s=parts.metrics_fresh_s,
        within_s=parts.database_within_s,
        monotonic=parts.monotonic,
    )
    registry.register(status)
    intake = Intake(parts.intake, lambda: parts.inbox.held_bytes, sources=len(parts.systems.sources))
    app.state.intake = intake
    watch_intake(registry, intake)
    app.state.on_malformed = malformed_counter(registry)
    app.include_router(webhook_router(WebhookCounts(registry), intake))
    app.include_router(metrics_router(MetricsPage(registry, status, fresh_s=parts.metrics_fresh_s)))
    app.include_router(health_router(Readiness(parts)))
    app.include_router(proof_router())
    app.include_router(routes.router)
    answer_errors(app)
    app.add_middleware(OneLength)
    app.add_middleware(RequestLog)
    return app
