"""Pack the mirrors of the config repositories."""

from app.services.sweeps.sweep_run import Look


def pack_mirrors(look: Look) -> None:
    """Let git drop what no branch needs any more."""
    for repo in look.systems.config_repos.values():
        with look.attempt(repo.name):
            if not look.is_dry:
                repo.repository.collect_garbage()
            look.find(f"{repo.name}: packed")
