"""A process that lives says so; one that cannot keep a delivery says that it is not ready."""

from dataclasses import replace
from pathlib import Path

from app.db.database import Database
from tests.web.site import Site, running_site


def test_a_process_that_can_keep_deliveries_is_ready(light_site: Site) -> None:
    assert light_site.client.get("/healthz").json() == {"status": "ok"}
    assert light_site.client.get("/readyz").json() == {"status": "ready"}


def test_without_a_writable_data_folder_it_lives_and_is_not_ready(light_database: Database, tmp_path: Path) -> None:
    with running_site(
        light_database, tmp_path, change=lambda parts: replace(parts, data_dir=tmp_path / "gone")
    ) as site:
        assert site.client.get("/healthz").status_code == 200
        answer = site.client.get("/readyz")
    assert (answer.status_code, "data folder" in answer.json()["detail"]) == (503, True)


def test_without_its_database_it_lives_and_is_not_ready(postgres_url: str, tmp_path: Path) -> None:
    database = Database(postgres_url.replace("/test_", "/missing_"))
    with running_site(database, tmp_path) as site:
        assert site.client.get("/healthz").status_code == 200
        assert site.client.get("/readyz").status_code == 503
        assert site.client.get("/metrics").status_code == 503
    database.close()
