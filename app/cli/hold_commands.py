"""The commands of `fluxbridge hold`: what each is called, takes and says of itself."""

from typing import Annotated

import typer

hold = typer.Typer(help="What people stop, and for how long.", no_args_is_help=True)

_Repo = Annotated[str | None, typer.Option(help="Only in this config repository.")]
_Why = Annotated[str, typer.Option(metavar="TEXT", help="Why; everybody is shown it.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the API's answer as JSON.")]


@hold.callback()
def _hold() -> None:
    """What people stop, and for how long."""


@hold.command()
def add(  # noqa: PLR0913 (one option a word)
    *,
    why: _Why,
    policy: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="The policies: NAMESPACE/NAME with `*`; '*' is all of them.")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Only in this stage.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="IMAGE:TAG", help="Deny this tag.")] = None,
    digest: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="Deny this digest, of any image or as IMAGE@DIGEST.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When it ends by itself: +2d, monday 08:00, 2026-12-27T08:00:00Z."),
    ] = None,
    zone: Annotated[str, typer.Option(help="The time zone of days and times, such as Europe/Berlin.")] = "UTC",
    repo: _Repo = None,
    as_json: _AsJson = False,
) -> None:
    """Hold policies or a stage, or deny a tag or digest. What it reaches and when it ends is said back.

    Under a hold nothing is opened or given another tag, and what is open stays. What is denied is proposed nowhere, and
    its pull request is closed or gets the next tag.
    """
    from app.cli.hold import add as run

    wanted = {"why": why, "policy": policy, "stage": stage, "tag": tag, "digest": digest, "until": until}
    run({**wanted, "zone": zone, "repo": repo}, as_json=as_json)


@hold.command("list")
def list_holds(
    *,
    repo: _Repo = None,
    stage: Annotated[str | None, typer.Option(help="Only those that reach this stage.")] = None,
    policy: Annotated[str | None, typer.Option(help="Only those that reach this policy.")] = None,
    is_all: Annotated[bool, typer.Option("--all", help="Those that were lifted or are over too.")] = False,
    as_json: _AsJson = False,
) -> None:
    """Show what is held, also by Git, or as people closed or reverted."""
    from app.cli.hold import list_holds as run

    run(repo, stage, policy, is_all=is_all, as_json=as_json)


@hold.command()
def lift(
    hold_id: Annotated[str, typer.Argument(metavar="ID", help="The hold, as `fluxbridge hold list` shows it.")],
    *,
    why: _Why,
    as_json: _AsJson = False,
) -> None:
    """Lift a hold; what stands in Git is lifted there."""
    from app.cli.hold import lift as run

    run(hold_id, why, as_json=as_json)
