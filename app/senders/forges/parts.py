"""What the webhooks of forges have in common: names, commits, moved branches, the ids of deliveries."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel

from app.core.facts import BranchMoved
from app.senders.payload import PAYLOAD, Line, is_commit
from app.senders.sender import Parsed, WebhookRequest

_BRANCHES = "refs/heads/"
_DELIVERY = re.compile(r"[A-Za-z0-9-]{1,100}")


def matching(pattern: str, what: str) -> AfterValidator:
    """A validator of texts that a pattern matches whole; `what` says of others what they must be."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"must be {what}")
        return text

    return AfterValidator(check)


def _whole_commit(text: str) -> str:
    if not is_commit(text):
        raise ValueError("must be a whole commit id")
    return text


CommitId = Annotated[Line, AfterValidator(_whole_commit)]


class Repository(BaseModel):
    """A repository by its full name, as GitHub and Gitea have it."""

    model_config = PAYLOAD
    full_name: Annotated[Line, matching(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", "owner/name")]


class Account(BaseModel):
    """Who did it, as GitHub and Gitea have it."""

    model_config = PAYLOAD
    login: Line


def delivery_id(request: WebhookRequest, *headers: str) -> str | None:
    """What the first of these headers that is there calls the delivery; None where it is no id."""
    told = next((request.headers[name] for name in headers if request.headers.get(name)), "")
    return told if _DELIVERY.fullmatch(told) else None


def branch_of(ref: str) -> str | None:
    """The branch that a ref is; None: it is none.

    >>> branch_of("refs/heads/release/1.2"), branch_of("refs/tags/v1")
    ('release/1.2', None)
    """
    branch = ref.removeprefix(_BRANCHES)
    return None if branch in {ref, ""} else branch


def commit_after(after: str) -> str | None:
    """Where a branch is after a push; all zeros stand for one that is gone."""
    return after if after.strip("0") else None


def read_push(repository: str, ref: str, commit: str | None) -> Parsed:
    """What follows from one ref that moved."""
    branch = branch_of(ref)
    if branch is None:
        return Parsed(ignored=(f"{ref[:200]!r} is no branch",))
    return Parsed(facts=(BranchMoved(repository=repository, branch=branch, commit=commit),))
