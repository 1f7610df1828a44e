"""`fluxbridge demo`, as someone tries it for the first time."""

import fcntl
import re
import signal
import time
from pathlib import Path

from tests.cli.console import Console, complaints, ending, read_until, start
from tests.servers.bare_repository import BareRepository

LONGEST_S = 15
STAGES = ("staging", "production")


def test_the_demo_tells_the_whole_way_and_ends_well(tmp_path: Path, console: Console) -> None:
    began = time.process_time()  # a busy machine makes others wait, not work
    ended = console.run("demo", "--once", "--folder", str(tmp_path / "demo"))
    assert ended.code == 0, ended
    assert time.process_time() - began < LONGEST_S
    steps = re.findall(r"^\d+\. (.+)$", ended.out, re.MULTILINE)
    for step, words in zip(
        steps,
        [
            "policies are Flux's own objects",
            "shop/storefront:1.5.0 was pushed",
            "pull request 1 is open",
            "no build has reported digest",
            "Jenkins reports build",
            "pull request 2 is open for production",
            "mira merges pull request 1",
            "mira merges pull request 2",
            "history, from build to applied",
            "1.5.0 loses orders: fluxbridge rollback storefront --stage production",
            "mira merges pull request 3",
            "nothing moves forward but to a tag above 1.5.0",
        ],
        strict=True,
    ):
        assert words in step
    assert "by mira: pull request 2 was merged by mira" in ended.out
    for stage in STAGES:
        assert f"applied     in {stage} by flux-system/apps" in ended.out
        deployment = BareRepository(tmp_path / "demo" / "fleet.git").text(
            "main", f"apps/{stage}/storefront/deployment.yaml"
        )
        assert f"shop/storefront:{'1.5.0' if stage == 'staging' else '1.4.1'} " in deployment
    assert complaints(ended.err) == []


def test_the_demo_leaves_alone_what_is_no_demo(tmp_path: Path, console: Console) -> None:
    (tmp_path / "work.txt").write_text("mine")
    ended = console.run("demo", "--once", "--folder", str(tmp_path))
    assert ended.code == 1
    assert "name another folder by --folder" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["work.txt"]


def test_a_second_demo_does_not_take_the_folder_of_one_that_runs(tmp_path: Path, console: Console) -> None:
    (tmp_path / "data").mkdir()
    with (tmp_path / ".fluxbridge-demo").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ended = console.run("demo", "--once", "--folder", str(tmp_path))
    assert ended.code == 1
    assert "a demo is running in" in ended.err
    assert (tmp_path / "data").exists()


def test_after_the_demo_it_is_the_reader_s_turn(tmp_path: Path, console: Console) -> None:
    settings_file = tmp_path / "demo" / "fluxbridge.yaml"
    with ending(start("demo", "--folder", "demo", settings_file=settings_file, folder=tmp_path)) as process:
        assert process.stdout is not None
        told = "".join(read_until(process.stdout, "Ctrl-C stops the server"))
        assert f"export FLUXBRIDGE_CONFIG={settings_file}" in told
        console.use(settings_file)
        assert console.run("pulls", "merge", "1", "--by", "noor").code == 0
        read_until(process.stdout, "Flux tells that cluster staging applied")
        [row] = [one for one in console.run("stages", "--stage", "staging").rows if "storefront" in one[1]]
        assert "noor" in row
        process.send_signal(signal.SIGINT)
        assert "Stopped." in process.stdout.read()
    assert process.returncode == 0
