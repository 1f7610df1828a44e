"""Pack the mirrors of the config repositories."""

from app.services.sweeps.sweep_run import SweepRun


def pack_mirrors(run: SweepRun) -> None:
    """Let git drop what no branch needs any more."""
    for repo in run.systems.config_repos.values():
        with run.attempt(repo.name):
            if not run.is_dry:
                repo.repository.collect_garbage()
            run.find(f"{repo.name}: packed")
