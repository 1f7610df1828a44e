"""Commits in full, where a forge cuts their ids short: the mirror knows them, once it has fetched them."""

from dataclasses import replace

from app.core.commits import WHOLE
from app.core.ports import ConfigRepository, PullRequest


def in_full(repository: ConfigRepository, pull: PullRequest) -> PullRequest:
    """The pull request with whole ids; one of a commit that no branch has stays as the forge gave it."""
    named = [sha for sha in (pull.head_sha, pull.merge_commit) if sha is not None and len(sha) < WHOLE]
    if any(len(repository.full_id(sha)) < WHOLE for sha in named):
        repository.fetch()
    merge = pull.merge_commit
    return replace(
        pull,
        head_sha=repository.full_id(pull.head_sha),
        merge_commit=repository.full_id(merge) if merge is not None else None,
    )
