"""Bodies in GitHub's own shapes: the examples of its published description, with live values laid over."""

import gzip
import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from zlib import crc32

from tests.servers.pulls import Comment, Pull, PullEvent, PushEvent, Review
from tests.servers.rest_answers import Body

REPOSITORY_ID = 700100300
_DESCRIPTION = Path(__file__).parents[1] / "payloads" / "github-openapi.json.gz"


@cache
def description() -> Body:
    """The slice of GitHub's published OpenAPI description."""
    found: Body = json.loads(gzip.decompress(_DESCRIPTION.read_bytes()))
    return found


class Bodies:
    """Writes bodies for one repository; every URL in them lies under `api_url` or `html_url`."""

    def __init__(self, *, api_url: str, html_url: str, full_name: str) -> None:
        self.api_url, self.html_url, self.full_name = api_url, html_url, full_name

    @property
    def owner(self) -> str:
        return self.full_name.partition("/")[0]

    @property
    def repository_url(self) -> str:
        return f"{self.api_url}/repos/{self.full_name}"

    def me(self, login: str) -> Body:
        """The answer to GET /user."""
        example = self._example("private-user-response-with-public-and-private-profile-information")
        return example | self.account(login) | {"name": login, "user_view_type": "private"}

    def account(self, login: str) -> Body:
        """Anyone, as they stand in other bodies."""
        text = json.dumps(self._example("pull-request")["user"]).replace("octocat", login)
        kind = "Bot" if login.endswith("[bot]") else "User"
        account: Body = json.loads(text)
        return account | {"id": crc32(login.encode()), "type": kind}

    def app(self, slug: str) -> Body:
        """A GitHub App, as it sees itself."""
        return self._example("integration") | {"slug": slug, "name": slug}

    def installation(self, number: int, *, is_suspended: bool) -> Body:
        """An App's installation on the repository."""
        since = "2026-11-29T12:00:00Z" if is_suspended else None
        return self._example("installation") | {"id": number, "suspended_at": since}

    def installation_token(self, token: str, expires_at: datetime, permissions: Mapping[str, str]) -> Body:
        """A token that was made for an installation."""
        made: Body = {"token": token, "expires_at": _instant(expires_at), "permissions": dict(permissions)}
        return {**made, "repository_selection": "selected", "repositories": [self.repository()]}

    def repository(self) -> Body:
        """The answer to GET on the repository."""
        example = self._example("full-repository-default-response") | self._identity(self.full_name)
        # Only forks have these, and GitHub's own example of them lacks what GitHub requires.
        return {name: value for name, value in example.items() if name not in {"parent", "source"}}

    def branch(self, name: str, *, is_protected: bool, checks: list[str]) -> Body:
        """A branch with as much of its protection as whoever may read is told."""
        demanded = {"enforcement_level": "everyone" if checks else "off", "contexts": checks, "checks": []}
        protection = {"enabled": is_protected, "required_status_checks": demanded}
        return self._example("branch-get") | {"name": name, "protected": is_protected, "protection": protection}

    def pull(self, pull: Pull, *, base_sha: str, is_mergeable: bool | None) -> Body:
        """A pull request in full."""
        return self._example("pull-request", pull.number) | {
            **self._simple(pull, base_sha),
            "mergeable": is_mergeable,
            "mergeable_state": {True: "clean", False: "dirty", None: "unknown"}[is_mergeable],
            "merged": pull.merged_at is not None,
            "merged_by": self._maybe_account(pull.merged_by),
            "comments": len(pull.comments),
        }

    def listed_pull(self, pull: Pull, *, base_sha: str) -> Body:
        """A pull request as lists hold it."""
        return self._example("pull-request-simple-items", pull.number, at=0) | self._simple(pull, base_sha)

    def issue(self, pull: Pull) -> Body:
        """The issue behind a pull request."""
        return self._example("issue", pull.number) | {
            "number": pull.number,
            "state": "open" if pull.is_open else "closed",
            "title": pull.title,
            "body": pull.body,
            "user": self.account(pull.author),
            "labels": [self.label(name) for name in pull.labels],
            "closed_by": self._maybe_account(pull.closed_by),
            "closed_at": _instant(pull.closed_at),
        }

    def events(self, pull: Pull) -> list[Body]:
        """What happened to a pull request, oldest first."""
        labelled = [{"event": "labeled", "commit_id": None, "label": {"name": name}} for name in pull.labels]
        merged = {"event": "merged", "commit_id": pull.merge_commit, "actor": self._maybe_account(pull.merged_by)}
        closed = {"event": "closed", "commit_id": None, "actor": self._maybe_account(pull.closed_by)}
        return [*labelled, *([merged] if pull.merged_at else []), *([] if pull.is_open else [closed])]

    def label(self, name: str) -> Body:
        """A label that GitHub made because someone used its name."""
        example = self._example("label-items", at=0)
        return example | {"name": name, "id": crc32(name.encode()), "default": False, "description": ""}

    def review(self, pull: Pull, review: Review, index: int) -> Body:
        """One review of a pull request."""
        return self._example("pull-request-review-items", at=0) | {
            "id": index + 1,
            "user": self.account(review.by),
            "state": review.state,
            "commit_id": review.commit,
            "author_association": review.association,
            "submitted_at": _instant(review.at),
            "pull_request_url": f"{self.repository_url}/pulls/{pull.number}",
        }

    def comment(self, pull: Pull, comment: Comment) -> Body:
        """One comment."""
        shown = {"user": self.account(comment.by), "body": comment.text, "created_at": _instant(comment.at)}
        return self._example("issue-comment", pull.number) | shown | {"updated_at": _instant(comment.at)}

    def error(self, status: int, message: str, errors: list[Body]) -> Body:
        """What GitHub answers where it does not do it."""
        told: Body = {"errors": errors} if errors else {}
        link = "https://docs.github.com/rest"
        return {"message": message, "documentation_url": link, "status": str(status)} | told

    def pull_event(self, event: PullEvent, body: Body) -> Body:
        """The payload of a `pull_request` webhook; `body` is the pull request in full."""
        return {
            "action": event.action,
            "number": event.pull.number,
            "pull_request": body,
            "repository": self.repository(),
            "sender": self.account(event.by),
        }

    def push_event(self, event: PushEvent) -> Body:
        """The payload of a `push` webhook of a branch, its commits left out."""
        is_new, is_gone = not event.before.strip("0"), not event.after.strip("0")
        return {
            "ref": f"refs/heads/{event.branch}",
            "before": event.before,
            "after": event.after,
            "created": is_new,
            "deleted": is_gone,
            "forced": False,
            "base_ref": None,
            "compare": f"{self.html_url}/{self.full_name}/compare",
            "commits": [],
            "head_commit": None,
            "repository": self.repository(),
            "pusher": {"name": event.by, "email": None},
            "sender": self.account(event.by),
        }

    def _simple(self, pull: Pull, base_sha: str) -> Body:
        auto_merge = {"merge_method": "merge", "commit_title": "", "commit_message": ""}
        return {
            "number": pull.number,
            "state": "open" if pull.is_open else "closed",
            "locked": False,
            "title": pull.title,
            "body": pull.body,
            "user": self.account(pull.author),
            "labels": [self.label(name) for name in pull.labels],
            "milestone": None,
            "assignee": None,
            "assignees": [],
            "requested_reviewers": [],
            "requested_teams": [],
            "head": self._side(pull.head, pull.head_sha, pull.fork_of),
            "base": self._side(pull.base, base_sha, None),
            "auto_merge": auto_merge | {"enabled_by": self.account(pull.auto_merge_by)} if pull.auto_merge_by else None,
            "created_at": _instant(pull.created_at),
            "updated_at": _instant(pull.updated_at),
            "closed_at": _instant(pull.closed_at),
            "merged_at": _instant(pull.merged_at),
            "merge_commit_sha": pull.merge_commit,
        }

    def _side(self, branch: str, sha: str, fork_of: str | None) -> Body:
        owner = fork_of or self.owner
        full_name = f"{owner}/{self.full_name.partition('/')[2]}"
        return {
            "label": f"{owner}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": self.account(owner),
            "repo": self._example("pull-request")["base"]["repo"] | self._identity(full_name),
        }

    def _identity(self, full_name: str) -> Body:
        owner, _, name = full_name.partition("/")
        return {
            "id": REPOSITORY_ID if full_name == self.full_name else crc32(full_name.encode()),
            "name": name,
            "full_name": full_name,
            "default_branch": "main",
            "owner": self.account(owner),
            "language": "YAML",
            "url": f"{self.api_url}/repos/{full_name}",
            "html_url": f"{self.html_url}/{full_name}",
            "fork": full_name != self.full_name,
        }

    def _maybe_account(self, login: str | None) -> Body | None:
        return self.account(login) if login else None

    def _example(self, name: str, number: int = 1347, *, at: int | None = None) -> Body:
        value = description()["components"]["examples"][name]["value"]
        text = json.dumps(value if at is None else value[at])
        for theirs, ours in (
            ("https://api.github.com", self.api_url),
            ("https://github.com", self.html_url),
            ("octocat/Hello-World", self.full_name),
            ("/1347", f"/{number}"),
        ):
            text = text.replace(theirs, ours)
        example: Body = json.loads(text)
        return example


def _instant(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
