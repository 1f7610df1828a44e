"""Prometheus reads what waits, what failed and what came in."""

from prometheus_client.parser import text_string_to_metric_families

from tests.services.history import LANE, write_history
from tests.web.site import Site


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
