"""Read pull requests: where something was proposed."""

from pydantic import BaseModel
from sqlalchemy import Connection

from app.db import pull_requests
from app.db.promotions import PromotionRow


class PullRequestLink(BaseModel):
    """Where it was proposed."""

    number: int
    url: str | None


def pull_request_link(connection: Connection, row: PromotionRow) -> PullRequestLink | None:
    """Where a promotion was proposed; None where it was not."""
    if row.pull_request is None:
        return None
    known = pull_requests.find(connection, row.lane, row.pull_request)
    return PullRequestLink(number=row.pull_request, url=known.url if known is not None else None)
