"""What the containers run, run here without containers: a pushed image becomes a pull request."""

import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.deploy.outside import Outside, Up
from tests.deploy.written import ROOT, read_yaml
from tests.servers.bare_repository import BareRepository
from tests.servers.postgres import Postgres

STAGING = "apps/staging/storefront/deployment.yaml"


@pytest.fixture
def prepared(tmp_path: Path) -> Outside:
    """A place after `prepare`, without a database."""
    return prepare(Outside(tmp_path, "postgresql+psycopg://nobody@127.0.0.1:9/none"))


def prepare(place: Outside) -> Outside:
    (place.folder / "git").mkdir()
    place.write_settings()
    place.run("prepare")
    place.place_registry_file()
    return place


@pytest.fixture
def place(tmp_path: Path, postgres: Postgres) -> Iterator[Outside]:
    """A place with a migrated database."""
    name = f"test_{uuid4().hex}"
    postgres.create(name)
    place = prepare(Outside(tmp_path, postgres.url(name)))
    place.run("migrate")
    yield place
    postgres.drop(name)


def test_the_demo_goes_from_a_push_to_merged_pull_requests(place: Outside) -> None:
    # In the order in which compose may start them at worst: the bridge is there before any image.
    with (
        place.running("bridge", ready="listening", is_read=True) as bridge,
        place.running("registry", ready="listening on"),
    ):
        demo = Up(place, bridge)
        assert place.run("images") == "7 images were pushed.\n"
        assert place.is_healthy()
        assert place.run("demo", "push", "shop/storefront:1.5.0").startswith(
            "shop/storefront:1.5.0 was pushed: sha256:"
        )
        staging = demo.wait_for_pull("Promote storefront 1.4.1 to 1.5.0 in staging")
        assert [pull.number for pull in demo.pulls()] == [staging.number]
        place.run("demo", "report", "shop/storefront:1.5.0")
        demo.wait_for_pull("Promote storefront 1.4.1 to 1.5.0 in production")
        [build] = demo.builds()
        assert (build["job"], build["result"]) == ("shop/storefront/main", "SUCCESS")
        assert "1.5.0" in place.exec("fluxbridge", "pulls", "list")
        place.exec("fluxbridge", "pulls", "merge", str(staging.number), "--by", "mira")
        assert "storefront:1.5.0 " in BareRepository(place.config_repo).text("main", STAGING)
        place.registry.push_with_skopeo("shop/storefront", "1.6.0", "built elsewhere")
        demo.wait_for_pull("Promote storefront 1.5.0 to 1.6.0 in staging")
        bridge.send_signal(signal.SIGTERM)
        assert bridge.wait(20) == 0


def test_web_and_work_of_the_cluster_do_it_as_two_processes(place: Outside) -> None:
    web, work = (arguments(name) for name in ("web", "work"))
    other = place.folder / "work.yaml"
    other.write_text(place.settings_file.read_text().replace("/data\n", "/data-of-work\n"))
    with (
        place.running("registry", ready="listening on"),
        place.started(["fluxbridge", *web], ready="listening"),
        place.started(["fluxbridge", *work], ready="working", is_read=True, settings_file=other) as worker,
    ):
        place.run("images")
        place.run("demo", "push", "shop/storefront:1.5.0")
        Up(place, worker).wait_for_pull("Promote storefront 1.4.1 to 1.5.0 in staging")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0


def arguments(name: str) -> list[str]:
    """What a Deployment of the cluster gives to the program."""
    deployment = read_yaml((ROOT / "deploy" / "kubernetes" / "base" / f"{name}.yaml").read_text(encoding="utf-8"))
    found: list[str] = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    return found


def test_another_up_changes_nothing(place: Outside) -> None:
    kept = {path.name: path.read_text() for path in (place.folder / "secrets").iterdir() if path.suffix != ".yml"}
    head = BareRepository(place.config_repo).head("main")
    with place.running("registry", ready="listening on"):
        place.run("images")
        assert place.run("images") == "0 images were pushed.\n"
    place.run("prepare")
    place.run("migrate")
    assert {name: (place.folder / "secrets" / name).read_text() for name in kept} == kept
    assert BareRepository(place.config_repo).head("main") == head


def test_the_sample_can_be_cloned_and_not_pushed_to(prepared: Outside, tmp_path: Path) -> None:
    url, clone = f"git://127.0.0.1:{prepared.ports['git']}/fleet.git", tmp_path / "clone"
    with prepared.running("git", ready="Ready to rumble"):
        prepared.exec("git", "clone", "--quiet", url, str(clone))
        assert (clone / STAGING).read_text() == BareRepository(prepared.config_repo).text("main", STAGING)
        pushed = subprocess.run(
            ["git", "-C", clone, "push", "origin", "main:other"], capture_output=True, text=True, check=False
        )
    assert pushed.returncode != 0
    assert BareRepository(prepared.config_repo).head("other") is None


def test_what_prepare_was_killed_at_is_made_by_the_next(prepared: Outside) -> None:
    half = prepared.config_repo.rename(prepared.config_repo.with_name("fleet.git.new"))
    (half / "HEAD").unlink()
    (prepared.folder / "secrets" / "api").write_text("")
    prepared.run("prepare")
    assert BareRepository(prepared.config_repo).head("main")
    assert (prepared.folder / "secrets" / "api").read_text()


def test_the_secrets_are_for_one_account_and_none_is_like_another(prepared: Outside) -> None:
    folder = prepared.folder / "secrets"
    secrets = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(secrets) == {"api", "database", "jenkins", "registry", "registry.yml"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert len(set(secrets.values())) == len(secrets)
    assert all(len(secret) >= 40 for secret in secrets.values())


def test_a_report_of_an_image_that_is_not_there_is_refused_in_one_line(prepared: Outside) -> None:
    with prepared.running("registry", ready="listening on"):
        for word in ("storefront", "shop/storefront:1.9.9", "shop/../x:1"):
            assert "is no image reference" in prepared.refused("demo", "report", word)
