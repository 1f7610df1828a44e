"""Prometheus reads what waits, what failed and what came in."""

from dataclasses import replace
from datetime import timedelta

from prometheus_client.parser import text_string_to_metric_families

from app.db import lanes, latencies, measures, storms
from app.db.database import Database
from app.db.kept_bodies import kept_bodies
from app.db.storms import Storm
from tests.services.history import LANE, NOW, write_history
from tests.web.site import Site, running_site


def scrape(site: Site) -> dict[tuple[str, tuple[str, ...]], float]:
    answer = site.client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_the_state_of_the_database_is_read_at_each_scrape(site: Site) -> None:
    assert scrape(site)["fluxbridge_promotions", ("merged",)] == 0
    with site.database.transaction() as connection:
        write_history(connection)
    found = scrape(site)
    assert found["fluxbridge_promotions", ("merged",)] == 1
    assert found["fluxbridge_promotions", ("waiting",)] == 1
    assert found["fluxbridge_lane_attempts", (LANE,)] == 0
    assert found["fluxbridge_lanes_due", ()] in {0, 1}
    assert found["fluxbridge_open_pull_requests", ()] == 0
    assert found["fluxbridge_deliveries", ("dead",)] == 0


def test_metrics_and_status_tell_the_same(site: Site) -> None:
    with site.database.transaction() as connection:
        write_history(connection)
        lanes.claim_due(connection, owner="w", now=NOW, lease=timedelta(seconds=30))
        storms.note(connection, Storm(sweep="tags", key="k", found=900, sample="1.0.0", since=NOW))
        measures.add(connection, "retries", "lane", 3)
        measures.add(connection, "sweeps", "tags:ok", 2)
        measures.add(connection, "sweep_found", "tags", 7)
        measures.add(connection, "bodies_dropped", "github", 4)
        measures.add(connection, "flux_dropped", "prod-eu", 5)
        connection.execute(kept_bodies.insert().values(source="github", day=7, bytes=1000))
        latencies.note(connection, timedelta(seconds=4))
    site.send_github(b"{}")
    told, found = site.get("/status").json(), scrape(site)
    by_label = {
        "fluxbridge_deliveries": told["deliveries"],
        "fluxbridge_promotions": told["promotions"],
        "fluxbridge_lane_attempts": told["lane_attempts"],
        "fluxbridge_lane_problem": told["lane_problems"],
        "fluxbridge_stalled": told["stalled"],
        "fluxbridge_body_bytes": told["body_bytes"],
        "fluxbridge_bodies_dropped_total": told["bodies_dropped"],
        "fluxbridge_flux_dropped_total": told["flux_dropped"],
        "fluxbridge_retries_total": told["retries"],
        "fluxbridge_sweep_found_total": told["sweep_found"],
    }
    for name, values in by_label.items():
        assert {labels[0]: value for (each, labels), value in found.items() if each == name} == values
    assert found["fluxbridge_sweeps_total", ("ok", "tags")] == told["sweeps"]["tags:ok"] == 2
    assert found["fluxbridge_storms", ()] == told["storms"] == 1
    assert found["fluxbridge_lanes_due", ()] == told["lanes_due"] == 0
    assert found["fluxbridge_open_pull_requests", ()] == told["open_pull_requests"] == 0
    # Ages go on between the two questions.
    assert found["fluxbridge_lane_lease_seconds", (LANE,)] >= told["lane_leases_s"][LANE] > 0
    assert found["fluxbridge_oldest_delivery_seconds", ()] >= told["oldest_delivery_s"] > 0


def test_the_way_to_a_pull_request_is_a_histogram(site: Site) -> None:
    name = "fluxbridge_webhook_to_pull_request_seconds"
    assert scrape(site)[f"{name}_count", ()] == 0
    with site.database.transaction() as connection:
        for seconds in (0.5, 4, 9000):
            latencies.note(connection, timedelta(seconds=seconds))
    found = scrape(site)
    counted = [found[f"{name}_bucket", (bound,)] for bound in ("1", "2.5", "5", "3600", "+Inf")]
    assert (counted, found[f"{name}_count", ()], found[f"{name}_sum", ()]) == ([1, 1, 2, 2, 3], 3, 9004.5)


def test_what_is_taken_of_the_room_for_bodies_is_shown(site: Site) -> None:
    assert scrape(site)["fluxbridge_inbox_peak_bytes", ()] == 0
    site.send_github(b"{}")
    found = scrape(site)
    assert (found["fluxbridge_inbox_bytes", ()], found["fluxbridge_inbox_peak_bytes", ()]) == (0, 2)


def test_webhooks_are_counted_by_source_and_answer(site: Site) -> None:
    site.send_github(b"{}")
    site.client.post("/webhooks/github", content=b"{}")
    site.client.post("/webhooks/anything-a-stranger-makes-up", content=b"{}")
    found = scrape(site)
    assert found["fluxbridge_webhooks_total", ("github", "202")] == 1
    assert found["fluxbridge_webhooks_total", ("github", "401")] == 1
    assert found["fluxbridge_webhooks_total", ("unknown", "404")] == 1
    assert "stranger" not in repr(found)


def test_two_applications_in_one_process_count_apart(site: Site) -> None:
    assert not [name for name, _ in scrape(site) if name == "fluxbridge_webhooks_total"]


def test_who_asks_again_and_again_gets_what_was_made_last(light_database: Database) -> None:
    with running_site(light_database, change=lambda parts: replace(parts, metrics_fresh_s=600)) as site:
        first = site.client.get("/metrics").text
        assert site.send_github(b"{}").status_code == 202
        assert site.client.get("/metrics").text == first
