"""`fluxbridge pulls`: the pull requests of a local forge, from the terminal."""

import getpass

import typer

from app.cli.settings import read_settings
from app.cli.terminal import pass_on, say
from app.clients.forges.local.forge import LocalForge
from app.compose.forges import local_forge
from app.core.errors import Invalid
from app.core.nearest import among
from app.core.ports import PullRequest, PullRequestState


class WhichRepository(Invalid):
    """It is not clear which local forge is meant."""

    def __init__(self, repo: str | None, names: list[str]) -> None:
        super().__init__(f"name a config repository with a local forge by --repo: {among(repo or '', names)}")


def _forge(repo: str | None) -> LocalForge:
    settings = read_settings()
    local = {name: one for name, one in settings.config_repos.items() if one.forge.is_in_repository}
    chosen = repo or (next(iter(local)) if len(local) == 1 else "")
    if chosen not in local:
        raise WhichRepository(repo, sorted(local))
    return local_forge(local[chosen])


def _line(pull: PullRequest) -> str:
    return f"{pull.number:>4}  {pull.state:<7} {pull.head} -> {pull.base}  {pull.title}"


def list_pulls(repo: str | None, *, everything: bool) -> None:
    """List the open pull requests, or all of them."""
    found = _forge(repo).list_pull_requests(state=None if everything else PullRequestState.OPEN)
    for pull in found:
        say(_line(pull))
    if not found:
        typer.echo("No pull requests.")


def show(number: int, repo: str | None) -> None:
    """Show one pull request with its diff."""
    forge = _forge(repo)
    pull = forge.pull_request(number)
    for line in (_line(pull), "", *pull.body.split("\n")):
        say(line)
    pass_on(forge.diff(number))


def merge(number: int, repo: str | None, by: str | None) -> None:
    """Merge a pull request into its base branch."""
    merged = _forge(repo).merge(number, by=by or getpass.getuser())
    typer.echo(f"Merged {number} as {merged.merge_commit}.")


def close(number: int, repo: str | None, by: str | None) -> None:
    """Close a pull request: its tag is held until a higher one passes or you reopen it."""
    _forge(repo).close(number, by=by or getpass.getuser())
    typer.echo(f"Closed {number}.")


def reopen(number: int, repo: str | None, by: str | None) -> None:
    """Reopen a closed pull request."""
    _forge(repo).reopen(number, by=by or getpass.getuser())
    typer.echo(f"Reopened {number}.")
