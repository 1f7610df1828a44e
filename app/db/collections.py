"""Every collection, for what looks at the schema as a whole."""

from app.db import (
    applications,
    builds,
    catalogue,
    deliveries,
    fields,
    holds,
    lanes,
    policies,
    promotion_events,
    promotions,
    pull_requests,
    pushed_heads,
    revisions,
    selections,
)
from app.db.tables import metadata

COLLECTIONS = (
    applications,
    builds,
    catalogue,
    deliveries,
    fields,
    holds,
    lanes,
    policies,
    promotion_events,
    promotions,
    pull_requests,
    pushed_heads,
    revisions,
    selections,
)
METADATA = metadata
