"""The commands by which people decide on tags: what each is called, takes and says of itself."""

from typing import Annotated

import typer

request = typer.Typer(help="What people asked for: rollbacks and promotions.", no_args_is_help=True)

_Why = Annotated[str, typer.Option(metavar="TEXT", help="Why; everybody is shown it.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print the API's answer as JSON.")]
_Repo = Annotated[str | None, typer.Option(help="The config repository, where the name is ambiguous.")]
_Root = Annotated[str | None, typer.Option(help="The policy's root, where the name is ambiguous.")]
_Until = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="When it ends unmerged: +2d, monday 08:00, 2026-12-27T08:00:00Z; else +7d."),
]
_Zone = Annotated[str, typer.Option(help="The time zone of days and times, such as Europe/Berlin.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and ask for nothing.")]
_Hold = Annotated[bool, typer.Option("--hold", help="Hold the policy there altogether, until lifted or --until.")]


def rollback(  # noqa: PLR0913 (one option a word)
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="The policy: its name, or namespace/name.")],
    *,
    stage: Annotated[str, typer.Option(help="The stage that goes back.")] = "all",
    why: _Why,
    to: Annotated[str | None, typer.Option(metavar="TAG", help="Back to this tag.")] = None,
    pull: Annotated[
        int | None, typer.Option(metavar="N", help="Undo all that this pull request let in.", min=1)
    ] = None,
    hold: _Hold = False,
    until: _Until = None,
    zone: _Zone = "UTC",
    dry_run: _DryRun = False,
    repo: _Repo = None,
    root: _Root = None,
    as_json: _AsJson = False,
) -> None:
    """Go back to what a stage had before. A pull request opens; merging it is the rollback.

    Without --to it is the last tag that was applied there before. Nothing moves forward again but to a tag above all
    that are known now, until the hold is lifted.
    """
    from app.cli.request import ask

    wanted = {"policy": policy, "stage": stage, "why": why, "tag": to, "pull": pull, "until": until, "zone": zone}
    marks = {"hold": hold or None, "dry_run": dry_run or None}
    ask({"kind": "rollback", **wanted, **marks, "repo": repo, "root": root}, as_json=as_json)


def promote(  # noqa: PLR0913 (one option a word)
    policy: Annotated[
        str | None, typer.Argument(metavar="[POLICY]", help="The policy: its name, or namespace/name.")
    ] = None,
    tag: Annotated[str | None, typer.Argument(metavar="[TAG]", help="Any tag of its image.")] = None,
    *,
    stage: Annotated[str | None, typer.Option("--stage", "--to", help="The stage that it goes to.")] = None,
    from_stage: Annotated[
        str | None, typer.Option("--from", metavar="STAGE", help="Instead of a policy: what this stage runs.")
    ] = None,
    group: Annotated[str | None, typer.Option(help="With --from: the policies of this group.")] = None,
    is_all: Annotated[bool, typer.Option("--all", help="With --from: every policy.")] = False,
    why: _Why,
    force: Annotated[
        bool, typer.Option("--force", help="Do not ask the gates of entering; wants the scope admin.")
    ] = False,
    hold: _Hold = False,
    until: _Until = None,
    zone: _Zone = "UTC",
    dry_run: _DryRun = False,
    repo: _Repo = None,
    root: _Root = None,
    as_json: _AsJson = False,
) -> None:
    """Bring a tag, or what another stage runs, into a stage. Gates are asked, unless forced.

    `fluxbridge promote POLICY TAG --stage S` takes any tag of the policy's image. `fluxbridge promote --from STAGE --to
    STAGE --all` opens one pull request with exactly what the other stage runs now.
    """
    from app.cli.request import ask

    wanted = {"policy": policy, "tag": tag, "stage": stage or "all", "from_stage": from_stage, "group": group}
    marks = {name: mark or None for name, mark in (("everything", is_all), ("force", force), ("hold", hold))}
    told = {"why": why, "until": until, "zone": zone, "dry_run": dry_run or None, "repo": repo, "root": root}
    ask({"kind": "promotion", **wanted, **marks, **told}, as_json=as_json)


@request.callback()
def _request() -> None:
    """What people asked for: rollbacks and promotions."""


@request.command("list")
def list_requests(
    *,
    repo: Annotated[str | None, typer.Option(help="Only in this config repository.")] = None,
    stage: Annotated[str | None, typer.Option(help="Only this stage.")] = None,
    policy: Annotated[str | None, typer.Option(help="Only those of this policy.")] = None,
    is_all: Annotated[bool, typer.Option("--all", help="Those that ended too.")] = False,
    as_json: _AsJson = False,
) -> None:
    """Show what was asked for, and what it waits for."""
    from app.cli.request import list_requests as run

    run(repo, stage, policy, is_all=is_all, as_json=as_json)


@request.command()
def show(
    request_id: Annotated[
        str, typer.Argument(metavar="ID", help="The request, as `fluxbridge request list` shows it.")
    ],
    *,
    as_json: _AsJson = False,
) -> None:
    """Show one request, what it takes back, and what came of it."""
    from app.cli.request import show as run

    run(request_id, as_json=as_json)


@request.command()
def withdraw(
    request_id: Annotated[
        str, typer.Argument(metavar="ID", help="The request, as `fluxbridge request list` shows it.")
    ],
    *,
    why: _Why,
    as_json: _AsJson = False,
) -> None:
    """Take a request back. Its pull request is closed, and what it held is lifted."""
    from app.cli.request import withdraw as run

    run(request_id, why, as_json=as_json)
