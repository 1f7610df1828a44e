"""Every collection, for what looks at the schema as a whole."""

from app.db import (
    applications,
    builds,
    catalogue,
    deliveries,
    fields,
    forge_budgets,
    held_back,
    holds,
    lanes,
    measures,
    owed_looks,
    policies,
    promotion_events,
    promotions,
    pull_requests,
    pushed_heads,
    revisions,
    schedules,
    selections,
    sweep_marks,
)
from app.db.tables import metadata

COLLECTIONS = (
    applications,
    builds,
    catalogue,
    deliveries,
    fields,
    forge_budgets,
    held_back,
    holds,
    lanes,
    measures,
    owed_looks,
    policies,
    promotion_events,
    promotions,
    pull_requests,
    pushed_heads,
    revisions,
    schedules,
    selections,
    sweep_marks,
)
METADATA = metadata
