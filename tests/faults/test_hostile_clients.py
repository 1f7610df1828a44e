"""Clients without a proof that are slow, half open or lie keep no signed webhook out, however many there are."""

from pathlib import Path

from tests.benchmarks.hostile import one_by_one
from tests.benchmarks.site import report_request, running_site
from tests.faults.extent import IS_LONG, on, timeout
from tests.hostile import hostile_clients

pytestmark = timeout
_CONNECTIONS, _AT_ONCE = (10_000, 600) if IS_LONG else (600, 150)
_PER_SECOND, _SIZE = 20, 2048
_MOST_MB = 400


@on("sqlite")
def test_clients_without_a_proof_keep_no_signed_webhook_out(tmp_path: Path, database_url: str) -> None:
    with running_site(tmp_path / "site", database_url, apps=1) as site:
        reports = (report_request(number, size=_SIZE) for number in range(1_000_000))
        with hostile_clients(site.port, at_once=_AT_ONCE, connections=_CONNECTIONS) as attack:
            load = one_by_one(site.port, reports, per_second=_PER_SECOND, until=attack.poll)
            made = attack.recv()
        site.settle()
        kept = sum(site.get("/status")["deliveries"].values())
        memory_mb = site.memory_mb()
    sent = sum(load.statuses.values())
    assert made > 0.9 * _CONNECTIONS
    assert load.statuses[202] == kept
    assert (sent - kept) * 1000 <= sent
    assert memory_mb < _MOST_MB
