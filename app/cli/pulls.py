"""`fluxbridge pulls`: the pull requests of a local forge, from the terminal."""

import getpass
from typing import Annotated

import typer

from app.cli.settings import read_settings
from app.clients.forges.local import LocalForge
from app.compose import local_forge
from app.core.errors import Invalid
from app.core.ports import PullRequest, PullRequestState

pulls = typer.Typer(help="The pull requests of a local forge.", no_args_is_help=True)
Repo = Annotated[str | None, typer.Option("--repo", help="The config repository, where several have a local forge.")]
Number = Annotated[int, typer.Argument(help="The pull request's number.", min=1)]
By = Annotated[str | None, typer.Option("--by", help="Who does it; default: your login name.")]


class WhichRepository(Invalid):
    """It is not clear which local forge is meant."""

    def __init__(self, names: list[str]) -> None:
        known = ", ".join(names) or "none"
        super().__init__(f"name a config repository with a local forge by --repo; there is: {known}")


def _forge(repo: str | None) -> LocalForge:
    settings = read_settings()
    local = {name: one for name, one in settings.config_repos.items() if one.forge.kind == "local"}
    chosen = repo or (next(iter(local)) if len(local) == 1 else "")
    if chosen not in local:
        raise WhichRepository(sorted(local))
    return local_forge(local[chosen])


def _line(pull: PullRequest) -> str:
    return f"{pull.number:>4}  {pull.state:<7} {pull.head} -> {pull.base}  {pull.title}"


@pulls.command("list")
def list_pulls(
    repo: Repo = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Those that are closed or merged too.")] = False,
) -> None:
    """List the open pull requests, or all of them."""
    found = _forge(repo).list_pull_requests(state=None if everything else PullRequestState.OPEN)
    for pull in found:
        typer.echo(_line(pull))
    if not found:
        typer.echo("No pull requests.")


@pulls.command()
def show(number: Number, repo: Repo = None) -> None:
    """Show one pull request with its diff."""
    forge = _forge(repo)
    pull = forge.pull_request(number)
    typer.echo(_line(pull))
    typer.echo()
    typer.echo(pull.body)
    typer.echo(forge.diff(number))


@pulls.command()
def merge(number: Number, repo: Repo = None, by: By = None) -> None:
    """Merge a pull request into its base branch."""
    merged = _forge(repo).merge(number, by=by or getpass.getuser())
    typer.echo(f"Merged {number} as {merged.merge_commit}.")


@pulls.command()
def close(number: Number, repo: Repo = None, by: By = None) -> None:
    """Close a pull request: its tag is held until a higher one passes or you reopen it."""
    _forge(repo).close(number, by=by or getpass.getuser())
    typer.echo(f"Closed {number}.")


@pulls.command()
def reopen(number: Number, repo: Repo = None, by: By = None) -> None:
    """Reopen a closed pull request."""
    _forge(repo).reopen(number, by=by or getpass.getuser())
    typer.echo(f"Reopened {number}.")
