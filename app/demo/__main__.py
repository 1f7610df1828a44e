"""`python -m app.demo`: what the containers of docker-compose.yml run beside the server."""

import sys
from pathlib import Path
from typing import Annotated

import httpx
import typer

from app.core.errors import FluxbridgeError
from app.demo.surroundings import Surroundings

program = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
Image = Annotated[str, typer.Argument(metavar="PATH:TAG", help="Such as shop/storefront:1.5.0.")]


@program.callback()
def demo(
    context: typer.Context,
    *,
    secrets: Annotated[Path, typer.Option(help="The folder of the secrets.")],
    git: Annotated[Path, typer.Option(help="The folder of the bare repositories.")],
    registry: Annotated[str, typer.Option(help="The registry's host and port.")],
    bridge: Annotated[str, typer.Option(help="The server's URL.")],
) -> None:
    """Make and play what is around the server in the demo."""
    context.obj = Surroundings(secrets, git, registry, bridge)


@program.command()
def prepare(context: typer.Context) -> None:
    """Make the secrets and the sample config repository, where they are not there yet."""
    _surroundings(context).prepare()
    typer.echo("The secrets and the config repository are there.")


@program.command()
def images(context: typer.Context) -> None:
    """Push the images that the sample config repository runs."""
    typer.echo(f"{_surroundings(context).push_first_images()} images were pushed.")


@program.command()
def push(context: typer.Context, image: Image) -> None:
    """Push a small image, of which the registry tells the server."""
    there = _surroundings(context)
    typer.echo(f"{image} was pushed: {there.push(there.image(image))}")


@program.command()
def report(context: typer.Context, image: Image) -> None:
    """Report, signed as Jenkins does, that a build of branch main has pushed this image."""
    there = _surroundings(context)
    typer.echo(f"The build of {image} is reported: delivery {there.report(there.image(image))}")


def _surroundings(context: typer.Context) -> Surroundings:
    assert isinstance(context.obj, Surroundings)  # noqa: S101 (the callback has set it)
    return context.obj


def main() -> None:
    """Run one command; what goes wrong is one line on standard error and exit code 1."""
    try:
        program()
    except (FluxbridgeError, httpx.HTTPError, OSError) as error:
        sys.stderr.write(f"demo: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
