"""A Jenkins that answers nothing holds up neither the deliveries of others nor the threads that work them off."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from app.clients.jenkins.controller import Jenkins
from app.db.database import Database
from app.db.deliveries import DeliveryState
from app.demo.registry import DemoRegistry
from app.services.systems import Timing
from app.worker import Workers
from tests.servers.jenkins import JenkinsServer
from tests.services.intake.webhooks import Site, envelope, notification, open_site, push_event
from tests.workers import MINUTE, now, wait_for

HINTS, THREADS = 60, 2


@pytest.fixture
def site(database: Database) -> Iterator[Site]:
    """A registry, and a Jenkins that hangs."""
    with DemoRegistry() as registry, JenkinsServer() as jenkins:
        jenkins.odd = "hang"
        opened = open_site(database, registry, jenkins)
        # Its clock stands still: a rest never ends.
        client = Jenkins("main", jenkins.url, timeout_s=1, clock=lambda: 0.0)
        opened.systems = replace(
            opened.systems, jenkins={"main": client}, config_repos={}, timing=Timing(lane_deadline=MINUTE)
        )
        with closing(opened.systems):
            yield opened


def test_a_push_is_not_kept_waiting_by_the_hints_of_a_silent_jenkins(site: Site) -> None:
    site.now = now() - MINUTE
    for number in range(HINTS):
        site.keep("plugin", notification(number + 1))
    site.now = now()
    pushed = site.keep("registry", envelope(push_event("1.1.0", site.put_image("1.1.0"))))
    workers = Workers(database=site.database, systems=site.systems, clock=now, count=THREADS)
    workers.start()
    try:
        wait_for(workers, lambda: site.delivery(pushed).state is DeliveryState.DONE)
        asked = sum("/job/" in each.target for each in site.jenkins.requests)
    finally:
        workers.stop()
    assert 1 <= asked <= THREADS
