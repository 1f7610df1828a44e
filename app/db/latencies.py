"""Latencies: how long it took from a webhook to the pull request that it led to, counted over all processes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select, union

from app.core.images import ImageName
from app.db import measures
from app.db.builds import builds
from app.db.deliveries import deliveries
from app.db.pushes import pushes

# In seconds; what took longer counts only toward all.
BOUNDS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
_NAME = "webhook_to_pull_request"
_SUM = "sum_ms"


@dataclass(frozen=True, slots=True)
class Latencies:
    """How many took at most so many seconds, by the bounds in order and infinity at the end; and the sum of all."""

    at_most: dict[float, int]
    sum_s: float


def told_at(
    connection: Connection, image: ImageName, tag: str, *, build_id: str | None, until: datetime
) -> datetime | None:
    """When the newest webhook came that told of a tag or of its build; None where none did."""
    of_tag = select(pushes.c.delivery_id).where(pushes.c.image == str(image), pushes.c.tag == tag)
    of_build = [select(builds.c.delivery_id).where(builds.c.id == build_id)] if build_id is not None else []
    told = union(of_tag, *of_build).subquery()
    came = select(func.max(deliveries.c.received_at)).join(told, told.c.delivery_id == deliveries.c.id)
    found: datetime | None = connection.execute(came.where(deliveries.c.received_at <= until)).scalar()
    return found


def note(connection: Connection, took: timedelta) -> None:
    """Count one. Rows that all processes share are held until the commit: the last step of a transaction."""
    bound = next((bound for bound in BOUNDS if took.total_seconds() <= bound), math.inf)
    measures.add(connection, _NAME, f"{bound:g}")
    measures.add(connection, _NAME, _SUM, took // timedelta(milliseconds=1))


def read(values: Mapping[str, Mapping[str, int]]) -> Latencies:
    """What was counted, out of all measures."""
    counted = values.get(_NAME, {})
    at_most: dict[float, int] = {}
    total = 0
    for bound in (*BOUNDS, math.inf):
        total += counted.get(f"{bound:g}", 0)
        at_most[bound] = total
    return Latencies(at_most, counted.get(_SUM, 0) / 1000)
