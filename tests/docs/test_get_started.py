"""Get started, followed as it is written, with a registry, a Jenkins and a GitHub of this machine in acme's place."""

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cli.console import PROGRAM, ending, read_until
from tests.docs.acme import BOT, MIRA, Acme, acme
from tests.docs.pages import block, blocks, indented_commands, page
from tests.docs.shell import Shell

PAGE = page("get-started.md")


def steps() -> Sequence[str]:
    """The text of each numbered step."""
    return PAGE.split("\n### ")[1:]


def step(number: int) -> str:
    [found] = [each for each in steps() if each.startswith(f"{number}. ")]
    return found


def follow(world: Acme, number: int) -> None:
    """The sessions of a step."""
    for shown in blocks(step(number), "console"):
        world.shell.follow(shown)


def commands(number: int) -> str:
    """The one indented command of a step, or its script."""
    [found] = blocks(step(number), "sh") or indented_commands(step(number))
    return found


def test_from_nothing_to_what_flux_has_applied(tmp_path: Path) -> None:
    settings = block(PAGE, "yaml", "# fluxbridge.yaml")
    with acme(tmp_path) as world:
        world.shell.type(commands(2))
        world.give_secrets()
        assert (world.folder / "secrets").stat().st_mode & 0o077 == 0
        world.write(settings)
        follow(world, 3)
        world.github.push("main", {".fluxbridge.yaml": block(PAGE, "yaml", "# .fluxbridge.yaml")}, by=MIRA)
        with world.serving():
            follow(world, 5)
            world.restart_registry()
            world.shell.type(commands(6))
            follow(world, 6)
            assert world.shell.type(commands(7)).startswith('{"id":"')
            follow(world, 7)
            assert world.github._pulls.every() == []
        world.write(settings.replace("mode: observe #", "mode: propose #"))
        with world.serving():
            world.github.send_webhooks_to(f"{world.url}/webhooks/github", world.secret("github-hook"))
            promote(world)
    assert world.github.exchanges


def promote(world: Acme) -> None:
    """Steps 9 and 10: both pull requests are merged, and Flux tells."""
    proposed, merged = blocks(step(9), "console")
    world.shell.follow(proposed)
    pulls = {pull.head.split("/")[2]: pull for pull in world.github._pulls.every()}
    assert {pull.author for pull in pulls.values()} == {BOT}
    world.github.merge(pulls["staging"].number, by=MIRA)
    world.shell.follow(merged)
    commit = world.github.merge(pulls["production"].number, by=MIRA)
    world.shell.follow("$ fluxbridge promotions --state merged --stage production\nCHANGED …\n… merged …\n")
    world.apply(commit)
    follow(world, 10)


def test_the_demo_lets_you_merge_and_ask(tmp_path: Path) -> None:
    text = PAGE.partition("\n## The demo")[2].partition("\n## ")[0]
    begin, *theirs = indented_commands(text)
    assert begin.endswith("&& uv run fluxbridge demo")
    shell = Shell(tmp_path, here=lambda typed: typed.replace("uv run ", ""))
    begun = subprocess.Popen([*PROGRAM, "demo"], cwd=tmp_path, env=shell.variables(), stdout=subprocess.PIPE, text=True)
    with ending(begun) as demo:
        try:
            told = read_until(demo.stdout, "Now it is your turn")
            assert any("1.5.0 is selected" in line for line in told)
            merge, ask = theirs
            assert "Merged 1" in shell.type(merge)
            read_until(demo.stdout, "Flux tells that cluster staging applied")
            [staging] = [line for line in shell.type(ask).splitlines() if line.startswith("staging ")][-1:]
            assert "1.5.0" in staging
            assert "shop/storefront/main #318" in staging
        finally:
            demo.send_signal(signal.SIGINT)
            assert demo.wait(30) == 0
