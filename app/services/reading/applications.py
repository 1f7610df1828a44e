"""Read applications: what became of promotions in clusters."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy import Connection

from app.db import applications
from app.db.applications import ApplicationRow
from app.services.reading.pages import Line, Listing, Paging


class ApplicationView(BaseModel):
    """Since when one cluster's Kustomization stands so with a promotion, and the last revision at which it did.

    Where a Jenkins deploys, `kustomization` is `deployer NAME`.
    `state` is applied, not healthy, overridden, failed or replaced; `newest_…` None: the first is the last.
    """

    promotion: str
    cluster: str
    kustomization: str
    revision: str
    at: datetime
    state: str
    message: str
    newest_revision: str | None
    newest_at: datetime | None


class ApplicationFilters(Paging):
    """Which applications."""

    cluster: Line | None = None


def list_applications(connection: Connection, filters: ApplicationFilters) -> Listing[ApplicationView]:
    """What became of promotions in clusters, newest first. Raises InvalidCursor."""
    page = applications.page(connection, limit=filters.limit, after=filters.after, cluster=filters.cluster)
    return Listing(items=application_views(page.items), next=page.next)


def application_views(rows: Iterable[ApplicationRow]) -> list[ApplicationView]:
    """Lines of the history as they are shown."""
    return [
        ApplicationView(
            promotion=row.promotion_id,
            cluster=row.cluster,
            kustomization=row.kustomization,
            revision=row.revision,
            at=row.at,
            state=row.state,
            message=row.message,
            newest_revision=row.newest_revision,
            newest_at=row.newest_at,
        )
        for row in rows
    ]
