"""What Prometheus reads: counted here, or read in the database when it is scraped, at most once a second."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app.core.errors import Unavailable
from app.db.database import Database
from app.services.reading.status import PullRequestLatency, Status, read_status
from app.services.systems import Clock
from app.services.work.troubles import Troubles
from app.web.errors import status_of
from app.web.fresh import Fresh
from app.web.intake import Intake

ABORTED: Literal["aborted"] = "aborted"
_READING = "reading how things stand for the metrics"


class WebhookCounts:
    """How webhooks were answered, by source; those for no source of ours count under `unknown`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answers = Counter(
            "fluxbridge_webhooks", "Webhooks by source and HTTP status", ["source", "status"], registry=registry
        )

        self._refusals = Counter(
            "fluxbridge_webhooks_refused",
            "Webhooks that were not kept, by source and reason",
            ["source", "reason"],
            registry=registry,
        )

    def count(self, source: str | None, status: HTTPStatus | Literal["aborted"]) -> None:
        """Count one answer, or that the sender went away before it could be given.

        `source` None: a name that is not configured, which anyone could make up.
        """
        told = status if isinstance(status, str) else str(status.value)
        self._answers.labels(source or "unknown", told).inc()

    def count_refusal(self, source: str | None, error: Exception) -> None:
        """Count an answer that is an error, also by its reason."""
        self.count(source, status_of(error))
        self._refusals.labels(source or "unknown", type(error).__name__).inc()


def malformed_counter(registry: CollectorRegistry) -> Callable[[], None]:
    """Count what is no HTTP, and so neither a webhook nor anything else."""
    told = "Connections that ended because of what came over them and is no HTTP"
    return Counter("fluxbridge_malformed_requests", told, registry=registry).inc


def watch_intake(registry: CollectorRegistry, intake: Intake) -> None:
    """Show how much of `limits.inbox_bytes` is taken in this process."""
    gauge = Gauge("fluxbridge_inbox_bytes", "Bytes of webhooks that are read or wait to be kept", registry=registry)
    gauge.set_function(lambda: intake.taken_bytes)
    peak = Gauge("fluxbridge_inbox_peak_bytes", "The most that these were since the start", registry=registry)
    peak.set_function(lambda: intake.peak_bytes)


class LastStatus(Collector):
    """Gauges over the state of the database as it was last read, and how long ago that was."""

    def __init__(  # noqa: PLR0913 (all named)
        self,
        database: Database,
        clock: Clock,
        *,
        applied_within: timedelta,
        fresh_s: float,
        within_s: float,
        monotonic: Callable[[], float],
    ) -> None:
        ask = partial(read_status, database, clock, applied_within=applied_within)
        self._reading = Fresh(ask, for_s=fresh_s, name="status")
        self._within_s, self._troubles = within_s, Troubles()
        self._status: Status | None = None
        self._monotonic = monotonic
        self._read_at = monotonic()

    async def read(self) -> None:
        """Read it again, where the database answers in time."""
        try:
            self._status = await self._reading.found(self._within_s)
        except TimeoutError:
            self._troubles.note(_READING, Unavailable(f"the database has not answered within {self._within_s:g} s"))
        except Exception as error:  # noqa: BLE001 (what this process counted is told whatever happens)
            self._troubles.note(_READING, error)
        else:
            self._troubles.went_well(_READING)
            self._read_at = self._monotonic()

    def describe(self) -> Iterator[Metric]:
        """Name nothing beforehand."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """What was read last, nothing where nothing was; and its age, without a reading that of this process."""
        told = "How long ago the database told what the other metrics say of it"
        yield _one("fluxbridge_status_age_seconds", told, self._monotonic() - self._read_at)
        if self._status is not None:
            yield from _gauges(self._status)
            yield from _counters(self._status)
            yield _latency(self._status.webhook_to_pull_request)


class MetricsPage:
    """The page that Prometheus scrapes: what this process counted, whatever the database does.

    However often it is asked for, and nobody has to prove anything for it, it is made at most once in `fresh_s`.
    """

    def __init__(self, registry: CollectorRegistry, status: LastStatus, *, fresh_s: float) -> None:
        self._registry, self._status, self._fresh_s = registry, status, fresh_s
        self._text, self._made_at = b"", -math.inf

    async def text(self) -> bytes:
        """Every metric in Prometheus' text format."""
        if self._is_old():
            await self._status.read()
            # Of those who waited for it together, the first makes it.
            if self._is_old():
                self._text, self._made_at = generate_latest(self._registry), time.monotonic()
        return self._text

    def _is_old(self) -> bool:
        return time.monotonic() - self._made_at >= self._fresh_s


def metrics_router(page: MetricsPage) -> APIRouter:
    """The one page."""
    router = APIRouter(include_in_schema=False)

    @router.get("/metrics")
    async def metrics() -> Response:
        """Every metric."""
        return Response(await page.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router


def _gauges(status: Status) -> Iterator[Metric]:
    yield _by("fluxbridge_deliveries", "Deliveries by state", "state", status.deliveries)
    yield _one("fluxbridge_oldest_delivery_seconds", "Age of the oldest waiting delivery", status.oldest_delivery_s)
    told = "Bytes that are stored of the bodies of deliveries that ended"
    yield _by("fluxbridge_body_bytes", told, "source", status.body_bytes)
    yield _one("fluxbridge_lanes_due", "Lanes that are due and not yet run", status.lanes_due)
    yield _one("fluxbridge_oldest_due_lane_seconds", "How long a lane has been due", status.oldest_due_s)
    yield _by("fluxbridge_lane_attempts", "Failed runs of a lane in a row", "lane", status.lane_attempts)
    told = "Whether people have to mend something for a lane, such as its rules"
    yield _by("fluxbridge_lane_problem", told, "lane", status.lane_problems)
    yield _by("fluxbridge_lane_lease_seconds", "How long the run of a lane has lasted", "lane", status.lane_leases_s)
    yield _by("fluxbridge_stalled", "What should be due and is not", "kind", status.stalled)
    yield _one("fluxbridge_storms", "What sweeps found too much of, which waits for a person", status.storms)
    yield _one("fluxbridge_owed_answers", "What registries have still to say", status.owed_answers)
    yield _one(
        "fluxbridge_oldest_owed_answer_seconds", "How long a registry has owed a word", status.oldest_owed_answer_s
    )
    yield _one("fluxbridge_listing_problems", "Repositories whose newest list is none or not whole", status.unlisted)
    yield _by("fluxbridge_outbox", "What waits to be told to others", "channel", status.outbox.waiting)
    told = "How long something has waited to be told"
    yield _one("fluxbridge_oldest_outbox_seconds", told, status.outbox.oldest_s)
    yield _by("fluxbridge_promotions", "Promotions by state", "state", status.promotions)
    yield _by("fluxbridge_applications", "How clusters stand with what was let in", "state", status.applications)
    told = "Objects of Flux whose events count for nothing"
    yield _by("fluxbridge_flux_unused", told, "cluster", status.unused_by_cluster)
    yield _one("fluxbridge_open_pull_requests", "Our pull requests that are open", status.open_pull_requests)


def _counters(status: Status) -> Iterator[Metric]:
    yield _counted("fluxbridge_retries", "What was put off to be tried again", status.retries, "kind")
    yield _counted("fluxbridge_given_up", "Work that hung beyond its deadline", status.given_up, "kind")
    told = "What was to be told to others, by how it ended"
    yield _counted("fluxbridge_tellings", told, status.outbox.told, "channel", "outcome")
    told = "What a source reported beyond its limits"
    yield _counted("fluxbridge_ignored", told, status.ignored, "source", "limit")
    told = "Bodies for which their source's day had no room"
    yield _counted("fluxbridge_bodies_dropped", told, status.bodies_dropped, "source")
    told = "Objects of Flux whose events count for nothing, beyond those that are kept of a cluster"
    yield _counted("fluxbridge_flux_dropped", told, status.flux_dropped, "cluster")
    yield _counted("fluxbridge_sweeps", "Sweeps that ended", status.sweeps, "sweep", "outcome")
    told = "What sweeps found that no webhook told of"
    yield _counted("fluxbridge_sweep_found", told, status.sweep_found, "sweep")


def _counted(name: str, told: str, values: Mapping[str, int], *labels: str) -> CounterMetricFamily:
    """A counter by one label, or by two that a colon parts."""
    family = CounterMetricFamily(name, told, labels=labels)
    for key, count in values.items():
        family.add_metric(key.rsplit(":", len(labels) - 1), count)
    return family


def _latency(found: PullRequestLatency) -> Metric:
    name, told = "fluxbridge_webhook_to_pull_request_seconds", "From a webhook to the pull request that it led to"
    family = HistogramMetricFamily(name, told)
    buckets = [("+Inf" if bound == "inf" else bound, float(count)) for bound, count in found.at_most.items()]
    family.add_metric([], buckets, found.sum_s)
    return family


def _one(name: str, told: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, told, value=value)


def _by(name: str, told: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, told, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
