"""The commands: what each is called, takes and says of itself. What does it is loaded when it is called."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.hold_commands import hold
from app.cli.plain_commands import PlainCommand, PlainGroup
from app.cli.request_commands import promote, request, rollback
from app.cli.sender_commands import senders

app = typer.Typer(
    name="fluxbridge",
    cls=PlainGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
policy = typer.Typer(help="Try tag policies out.", no_args_is_help=True)
init = typer.Typer(help="Make what a config repository needs.", no_args_is_help=True)
pulls = typer.Typer(help="The pull requests of a local forge.", no_args_is_help=True)

_AsJson = Annotated[bool, typer.Option("--json", help="Print the API's answer as JSON.")]
_Repo = Annotated[str | None, typer.Option(help="Only this config repository.")]
_Stage = Annotated[str | None, typer.Option(help="Only this stage.")]
_Policy = Annotated[str | None, typer.Option(help="Only this policy: its name, or namespace/name.")]
_Image = Annotated[str | None, typer.Option(help="Only this image, as its policy writes it.")]
_Limit = Annotated[int, typer.Option(help="At most so many.", min=1, max=1000)]
_Branch = Annotated[str | None, typer.Option(help="Only this base branch.")]
_Forge = Annotated[str | None, typer.Option("--repo", help="The config repository, where several have a local forge.")]
_Number = Annotated[int, typer.Argument(help="The pull request's number.", min=1)]
_By = Annotated[str | None, typer.Option("--by", help="Who does it; default: your login name.")]


def _show_version(is_wanted: bool) -> None:  # noqa: FBT001 (typer calls it so)
    if is_wanted:
        from importlib import metadata

        typer.echo(f"fluxbridge {metadata.version('fluxbridge')}")
        raise typer.Exit


@app.callback()
def fluxbridge(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Join Jenkins to Flux: builds and pushes become pull requests, and a history of what runs where."""


@app.command()
def check(
    *,
    repo_only: Annotated[
        Path | None,
        typer.Option(
            "--repo-only", metavar="DIR", help="Read only this folder, a config repository; needs no settings."
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="REV", help="With --repo-only: tell only what this revision of its git did not have."),
    ] = None,
    is_all: Annotated[bool, typer.Option("--all", help="Show every place, not only the first three.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --repo-only: print it as one JSON object.")] = False,
    database: Annotated[bool, typer.Option("--database", help="Go through the whole database instead.")] = False,
) -> None:
    """Check the settings and secrets, and that each system answers. Exit code 1 when something is wrong.

    `fluxbridge check --repo-only DIR` tells what Fluxbridge would do in a config repository that is checked out there:
    clusters, stages, policies, fields, and what is left out. Nothing is written. Exit code 0: nothing is left out; 1:
    something is, or with --against more than at that revision; 2: it cannot be read.
    """
    if repo_only is None:
        if against is not None or as_json:
            option = "--against" if against is not None else "--json"
            raise typer.BadParameter("it goes with --repo-only", param_hint=option)
        from app.cli.check import check as run

        run(database=database, is_all=is_all)
    elif database:
        raise typer.BadParameter("there is no database with --repo-only", param_hint="--database")
    else:
        from app.cli.check_repo import check_repo

        check_repo(repo_only, against=against, as_json=as_json, is_all=is_all)


@app.command()
def migrate(
    *,
    copy_from: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="A SQLite file to copy everything from; the database must be empty."
        ),
    ] = None,
) -> None:
    """Bring the database to this version's schema. A SQLite file is brought there by `serve` as well."""
    from app.cli.migrate import migrate as run

    run(copy_from=copy_from)


@app.command()
def plan(repo: _Repo = None, branch: _Branch = None, *, as_json: _AsJson = False) -> None:
    """Show which pull requests should exist, and why others do not. It is what each lane's last run planned."""
    from app.cli.queries import plan as run

    run(repo, branch, as_json=as_json)


@app.command()
def stages(repo: _Repo = None, stage: _Stage = None, policy: _Policy = None, *, as_json: _AsJson = False) -> None:
    """Show what is where, and who let it in. Image, tag, build, and where Flux applied it."""
    from app.cli.queries import stages as run

    run(repo, stage, policy, as_json=as_json)


@app.command()
def promotions(  # noqa: PLR0913 (one option a filter)
    *,
    stage: _Stage = None,
    policy: _Policy = None,
    image: _Image = None,
    state: Annotated[str | None, typer.Option(help="waiting, proposed, refused, superseded, closed, merged …")] = None,
    since: Annotated[str | None, typer.Option(help="Changed at or after this time (RFC 3339).")] = None,
    until: Annotated[str | None, typer.Option(help="Changed before this time (RFC 3339).")] = None,
    repo: _Repo = None,
    limit: _Limit = 50,
    as_json: _AsJson = False,
) -> None:
    """Show what moved, or wants to: the promotions, newest first."""
    from app.cli.queries import promotions as run

    wanted = {"stage": stage, "policy": policy, "image": image, "state": state, "since": since, "until": until}
    run({**wanted, "repo": repo}, limit=limit, as_json=as_json)


@app.command()
def status(*, as_json: _AsJson = False) -> None:
    """Show which deliveries, promotions and lanes wait or failed."""
    from app.cli.queries import status as run

    run(as_json=as_json)


@app.command()
def replay(ids: Annotated[list[str], typer.Argument(help="The deliveries to interpret again.")]) -> None:
    """Interpret deliveries again, whatever became of them. Facts that are known stay one."""
    from app.cli.queries import replay as run

    run(ids)


@app.command()
def sweep(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Which; by default all that have a schedule. After `accept`: one, and the keys of what is taken in.",
        ),
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing, tell what would be taken in.")] = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="Take in all that is too much at once.")] = False,
    is_all: Annotated[bool, typer.Option("--all", help="After `accept`: take in every storm.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's answer as JSON.")] = False,
) -> None:
    """Look for tags, builds and pull requests that were missed. Exit code 1 when something failed.

    `fluxbridge sweep accept [NAME [KEY]...]` takes in the storms of these keys; without one the only
    one.
    """
    from app.cli.sweep import sweep as run

    run(names, dry_run=dry_run, confirm=confirm, is_all=is_all, as_json=as_json)


@app.command()
def explain(  # noqa: PLR0913 (one option a question)
    name: Annotated[str, typer.Argument(metavar="POLICY|IMAGE:TAG", help="The policy as NAMESPACE/NAME, or a tag.")],
    *,
    repo: Annotated[str | None, typer.Option(help="Its config repository, where the name is ambiguous.")] = None,
    root: Annotated[str | None, typer.Option(help="Its root, where the name is ambiguous.")] = None,
    tags: Annotated[
        Path | None, typer.Option(help="Try its spec on the tags of this file: one a line, or a JSON list.")
    ] = None,
    push: Annotated[str | None, typer.Option(metavar="IMAGE:TAG", help="Try out a push of this tag.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the explanation as JSON.")] = False,
) -> None:
    """Show why a policy selects a tag, or how a tag fares.

    Of a policy: the verdict on each tag, what gates and holds add, and warnings. Of a tag (IMAGE:TAG): who told of it,
    and where it stands in every policy and stage of its image, from delivery to gate.
    """
    from app.cli.explain import explain as run

    run(name, repo=repo, root=root, tags=tags, push=push, as_json=as_json)


@app.command()
def history(
    name: Annotated[str, typer.Argument(metavar="POLICY|IMAGE:TAG", help="The policy as NAMESPACE/NAME, or a tag.")],
    *,
    repo: _Repo = None,
    root: Annotated[str | None, typer.Option(help="Only the policy of this root.")] = None,
    limit: Annotated[int, typer.Option(help="Of a policy, at most so many moves, the last ones.", min=1, max=100)] = 20,
    as_json: _AsJson = False,
) -> None:
    """Show what happened to a tag, or to those a policy had. Of a policy it is the last moves, oldest first.

    From the build to the clusters: who told of the tag, which policy chose it, its pull requests and who merged or
    closed them, tags that others set in Git, holds, and what each cluster applied at which revision.
    """
    from app.cli.queries import history as run

    run(name, repo=repo, root=root, limit=limit, as_json=as_json)


@app.command(cls=PlainCommand)
def edit(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder whose manifests are edited.")],
    *,
    selections: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help='YAML or JSON: "namespace:name": "image:tag[@sha256:…]" for each policy to set.'
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print a unified diff and write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Set fields of policies in a folder, changing no other byte.

    Exit code 0: every named policy is set (or was already); 1: one has no field, or could not be set; 2: bad input;
    6: a file could not be written.
    """
    from app.cli.edit import edit as run

    run(folder, selections=selections, dry_run=dry_run, as_json=as_json)


@app.command("serve")
def serve_command(
    *,
    workers: Annotated[
        bool, typer.Option(help="Run the workers in this process too; without: PostgreSQL only.")
    ] = True,
) -> None:
    """Receive webhooks, answer the API, and do the work. `--no-workers` leaves the work to others."""
    from app.cli.settings import read_settings_to_serve
    from app.main import serve

    serve(read_settings_to_serve(), has_workers=workers)


@app.command("work")
def work_command() -> None:
    """Do the work beside `serve --no-workers` on one PostgreSQL."""
    from app.cli.settings import read_settings_to_serve
    from app.main import work

    work(read_settings_to_serve())


@app.command()
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Merge by itself, show the history and exit.")] = False,
    folder: Annotated[Path, typer.Option(help="Where the demo keeps everything; it is made anew.")] = Path(
        "fluxbridge-demo"
    ),
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.")] = 0,
) -> None:
    """Show the whole way on this machine, from webhooks to applied."""
    from app.demo.story import tell

    raise typer.Exit(tell(folder, is_once=once, port=port))


@init.callback()
def _init() -> None:
    """Make what a config repository needs."""


@init.command("rules")
def init_rules(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A working tree of the config repository.")],
    *,
    to_print: Annotated[bool, typer.Option("--print", help="Print the rules and write nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over rules that are there; their roots stay.")] = False,
) -> None:
    """Write a first .fluxbridge.yaml from what a working tree has. It says what it could not decide.

    With --print the rules are on standard output, what is said about them on standard error.
    """
    from app.cli.first_rules import init_rules as run

    run(folder, force=force, to_print=to_print)


@policy.callback()
def _policy() -> None:
    """Try tag policies out."""


@policy.command()
def evaluate() -> None:
    """Choose a tag for each case on standard input. One JSON object a line in, one a line out.

    A case has a kind (semver with range, alphabetical or numerical with order), tags, and where there are filterTags
    pattern and extract. An answer has tag, error (no-match, invalid-policy, invalid-tag or invalid-line) and message.
    """
    from app.cli.policy import evaluate as run

    run()


@pulls.command("list")
def list_pulls(
    repo: _Forge = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Those that are closed or merged too.")] = False,
) -> None:
    """List the open pull requests, or all of them."""
    from app.cli.pulls import list_pulls as run

    run(repo, everything=everything)


@pulls.command()
def show(number: _Number, repo: _Forge = None) -> None:
    """Show one pull request with its diff."""
    from app.cli.pulls import show as run

    run(number, repo)


@pulls.command()
def merge(number: _Number, repo: _Forge = None, by: _By = None) -> None:
    """Merge a pull request into its base branch."""
    from app.cli.pulls import merge as run

    run(number, repo, by)


@pulls.command()
def close(number: _Number, repo: _Forge = None, by: _By = None) -> None:
    """Close a pull request. Its tag is held until a higher one passes or you reopen it."""
    from app.cli.pulls import close as run

    run(number, repo, by)


@pulls.command()
def reopen(number: _Number, repo: _Forge = None, by: _By = None) -> None:
    """Reopen a closed pull request."""
    from app.cli.pulls import reopen as run

    run(number, repo, by)


app.command()(rollback)
app.command()(promote)
app.add_typer(request, name="request")
app.add_typer(hold, name="hold")
app.add_typer(init, name="init")
app.add_typer(policy, name="policy")
app.add_typer(pulls, name="pulls")
app.add_typer(senders, name="senders")
