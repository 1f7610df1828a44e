"""A fleet whose clusters' Flux tells of what it does, by signed-off deliveries that are interpreted one by one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from app.cli.clusters import in_clusters
from app.db import applications, deliveries
from app.db.applications import ApplicationRow
from app.db.database import Database
from app.db.deliveries import DeliveryRow, NewDelivery
from app.db.promotions import PromotionRow
from app.senders.sender import Keys, Origin
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.intake.interpret import Interpreter
from app.services.reading.cluster_states import ClusterStateView
from app.services.reading.promotions import PromotionFilters, list_promotions
from app.services.reading.stages import StageFilters, StageView, list_stages
from app.services.reading.status import Status, read_status
from app.services.systems import Source, Systems
from tests.db.facts import claim_next
from tests.end_to_end.bridge import fleet
from tests.services.lanes import LEASE, Lane

RULES = "stages: {staging: {paths: [apps/staging]}, production: {paths: [apps/production]}}\n"
MINUTE = timedelta(minutes=1)


class FluxLane(Lane):
    """The lane of a fleet with a source for each cluster."""

    @property
    def systems(self) -> Systems:
        """The lane's systems, and who may speak for which cluster."""
        return replace(super().systems, sources={**_sources("staging", "production"), **self.__dict__.get("more", {})})


def _sources(*clusters: str) -> dict[str, Source]:
    return {one: cluster_source(one) for one in clusters}


def cluster_source(cluster: str, **changes: Any) -> Source:
    """What may speak for a cluster, below its own root."""
    source = Source(
        name=cluster,
        kind="flux",
        origin=Origin(cluster, cluster=cluster),
        keys=Keys,
        config_repo="fleet",
        root=f"clusters/{cluster}",
    )
    return replace(source, **changes)


@dataclass
class Fleet:
    """Two clusters, what is merged for them, and what their Flux tells."""

    lane: FluxLane
    sent: int = field(default=0)

    @classmethod
    def create(cls, folder: Path, database: Database, files: Mapping[str, str] | None = None) -> "Fleet":
        """A fleet with 1.0.0 in both stages, and more files where they are given."""
        made = FluxLane.create(folder, database, {**fleet(), ".fluxbridge.yaml": RULES, **(files or {})})
        assert isinstance(made, FluxLane)
        return cls(made)

    def moved(self, folder: Path, database: Database) -> "Fleet":
        """The same on copies of its lane's folder and database; see tests/services/histories.py."""
        return replace(self, lane=self.lane.moved(folder, database))

    def add_source(self, source: Source) -> None:
        """Let something else speak."""
        self.lane.__dict__.setdefault("more", {})[source.name] = source

    def later(self, minutes: float) -> None:
        """Let time pass."""
        self.lane.now += minutes * MINUTE

    def promote(self, tag: str) -> str:
        """Push a tag and merge what is proposed of it in every stage; returns the base head."""
        self.lane.push(tag)
        self.lane.run()
        return self.lane.merge_open()

    @property
    def head(self) -> str:
        """The base head."""
        head = self.lane.config.head("main")
        assert head is not None
        return head

    def tell(self, cluster: str = "staging", **event: Any) -> DeliveryRow:
        """A delivery of Flux comes, is interpreted, and the lane runs; returns what became of the delivery."""
        kept = self.keep(cluster, **event)
        self.interpret()
        self.lane.run()
        return self.delivery(kept)

    def keep(self, cluster: str = "staging", **event: Any) -> str:
        """A delivery of Flux comes."""
        self.sent += 1
        event.setdefault("at", self.lane.now)
        new = NewDelivery(
            source=cluster,
            kind="flux",
            external_id=f"event {self.sent}",
            headers={"content-type": "application/json"},
            body=flux_event(**event),
            received_at=self.lane.now,
        )
        with self.lane.database.transaction() as connection:
            return deliveries.keep(connection, new)

    def interpret(self) -> None:
        """Work off the delivery that is due."""
        database, now = self.lane.database, self.lane.now
        with database.transaction() as connection:
            claim = claim_next(connection, owner="tests", now=now, lease=LEASE)
        assert claim is not None
        Interpreter(database, self.lane.systems, lambda: now, ReadyPolicies()).interpret(claim)

    def delivery(self, delivery_id: str) -> DeliveryRow:
        """What became of a delivery."""
        with self.lane.database.transaction() as connection:
            found = deliveries.find(connection, delivery_id)
        assert found is not None
        return found

    def promotion(self, stage: str, tag: str) -> PromotionRow:
        """The newest promotion of a tag in a stage."""
        return next(one for one in self.lane.promotions() if (one.stage, one.tag) == (stage, tag))

    def lines(self, stage: str = "staging", tag: str = "1.1.0") -> list[ApplicationRow]:
        """The history of a promotion in clusters."""
        promotion = self.promotion(stage, tag)
        with self.lane.database.transaction() as connection:
            return list(applications.of_promotion(connection, promotion.id))

    def states(self, stage: str = "staging", tag: str = "1.1.0") -> list[str]:
        """How a promotion fared in clusters, in order."""
        return [one.state for one in self.lines(stage, tag)]

    def stage(self, name: str = "staging") -> StageView:
        """What a stage has, as it is shown now."""
        with self.lane.database.transaction() as connection:
            filters = StageFilters(stage=name)
            [one] = list_stages(connection, self.lane.systems, filters, now=self.lane.now).items
        return one

    def cluster_state(self, stage: str = "staging") -> ClusterStateView:
        """How the only cluster of a stage stands."""
        [one] = self.stage(stage).applied
        return one

    def cell(self, stage: str = "staging") -> str:
        """What `stages` prints under APPLIED IN."""
        shown = self.stage(stage).model_dump(mode="json")
        return in_clusters(shown["applied"], shown["tag"])

    def promotion_cell(self, stage: str = "staging", tag: str = "1.1.0") -> str:
        """What `promotions` prints under APPLIED IN."""
        with self.lane.database.transaction() as connection:
            filters = PromotionFilters(stage=stage)
            shown = list_promotions(connection, self.lane.systems, filters, now=self.lane.now).items
        one = next(each for each in shown if each.tag == tag).model_dump(mode="json")
        return in_clusters(one["applied"], one["tag"])

    def status(self) -> Status:
        """What `status` and the metrics count."""
        return read_status(self.lane.database, lambda: self.lane.now)


def flux_event(
    commit: str | None = None,
    *,
    at: datetime,
    name: str = "apps",
    namespace: str = "flux-system",
    kind: str = "Kustomization",
    reason: str = "ReconciliationSucceeded",
    severity: str = "info",
    message: str = "done",
    revision: str | None = None,
    origin: str | None = None,
) -> bytes:
    """What Flux sends; the revision is the commit on main unless another is given."""
    metadata = {"revision": revision or f"main@sha1:{commit}", **({"originRevision": origin} if origin else {})}
    return json.dumps(
        {
            "involvedObject": {"kind": kind, "namespace": namespace, "name": name},
            "severity": severity,
            "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "reason": reason,
            "message": message,
            "metadata": metadata,
        }
    ).encode()
