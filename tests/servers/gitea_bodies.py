"""Bodies in Gitea's own shapes: those of recorded answers of a real one, with live values laid over."""

import copy
import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

from tests.servers.pulls import Comment, Pull, PullEvent, PushEvent, Review
from tests.servers.rest_answers import Body

REPOSITORY_ID = 1
SWAGGER = "/api/swagger"
_STATES = {"CHANGES_REQUESTED": "REQUEST_CHANGES", "COMMENTED": "COMMENT"}
_EXCHANGES = Path(__file__).parents[1] / "payloads" / "gitea" / "exchanges.json"


@cache
def recorded() -> list[Body]:
    """Exchanges with the API of a real Gitea; of accounts and repositories only what tells them apart is kept."""
    found: list[Body] = json.loads(_EXCHANGES.read_text())
    return found


def example(method: str, path: str, status: int = 200) -> Any:
    """The first recorded answer to such a request."""
    found = (one for one in recorded() if (one["method"], one["path"], one["status"]) == (method, path, status))
    return copy.deepcopy(next(found)["answer"])


class Bodies:
    """Writes bodies for one repository; every URL in them lies under `origin`."""

    def __init__(self, *, origin: str, full_name: str) -> None:
        self.origin, self.full_name = origin, full_name
        self.is_archived, self.has_pull_requests = False, True

    def account(self, login: str) -> Body:
        """Anyone, as they stand everywhere."""
        return {"id": crc32(login.encode()), "login": login, "username": login}

    def repository(self, full_name: str | None = None) -> Body:
        """The repository, or a fork of it."""
        is_fork = full_name not in {None, self.full_name}
        return {
            "id": crc32((full_name or "").encode()) if is_fork else REPOSITORY_ID,
            "full_name": full_name or self.full_name,
            "archived": self.is_archived,
            "has_pull_requests": self.has_pull_requests,
            "permissions": {"admin": False, "push": True, "pull": True},
        }

    def branch(self, name: str, demanded: list[str] | None) -> Body:
        """A branch, which is protected where checks are demanded, be it none."""
        is_protected = demanded is not None
        return {
            "name": name,
            "protected": is_protected,
            "required_approvals": 2 if is_protected else 0,
            "enable_status_check": bool(demanded),
            "status_check_contexts": demanded or [],
            "user_can_push": not is_protected,
            "user_can_merge": True,
            "effective_branch_protection_name": "",
        }

    def label(self, label_id: int, name: str) -> Body:
        """A label of the repository."""
        url = f"{self.origin}/api/v1/repos/{self.full_name}/labels/{label_id}"
        shape: Body = example("POST", "/repos/acme/fleet/labels", 201)
        return shape | {"id": label_id, "name": name, "url": url}

    def pull(self, pull: Pull, labels: list[Body], *, base_sha: str, tip: str | None, is_mergeable: bool) -> Body:
        """A pull request, in lists too. `tip` is where the branch of its head is now; None: it is gone."""
        page = f"{self.origin}/{self.full_name}/pulls/{pull.number}"
        head_repository = f"{pull.fork_of}/{self.full_name.partition('/')[2]}" if pull.fork_of else self.full_name
        repository = self.repository(head_repository)
        is_merged = pull.merged_at is not None
        shape: Body = example("GET", "/repos/acme/fleet/pulls/1")
        return shape | {
            "id": pull.number,
            "number": pull.number,
            "url": page,
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "user": self.account(pull.author),
            "title": pull.title,
            "body": pull.body or "",
            "labels": labels,
            "state": "open" if pull.is_open else "closed",
            "comments": len(pull.comments),
            "mergeable": is_mergeable,
            "merged": is_merged,
            "merged_at": _instant(pull.merged_at),
            "merge_commit_sha": pull.merge_commit if is_merged else None,
            "merged_by": self.account(pull.merged_by) if pull.merged_by else None,
            "base": {
                "label": pull.base,
                "ref": pull.base,
                "sha": base_sha,
                "repo_id": REPOSITORY_ID,
                "repo": self.repository(),
            },
            "head": {
                "label": pull.head,
                "ref": pull.head if tip else f"refs/pull/{pull.number}/head",
                "sha": tip or pull.head_sha,
                "repo_id": repository["id"],
                "repo": repository,
            },
            "merge_base": base_sha,
            "created_at": _instant(pull.created_at),
            "updated_at": _instant(pull.updated_at),
            "closed_at": _instant(pull.closed_at),
        }

    def review(self, pull: Pull, review: Review, number: int, *, is_dismissed: bool) -> Body:
        """One review. That of somebody who can only read is not official."""
        shape: Body = example("GET", "/repos/acme/fleet/pulls/2/reviews")[0]
        return shape | {
            "id": number,
            "user": self.account(review.by),
            "state": _STATES.get(review.state, review.state),
            "commit_id": review.commit,
            "stale": review.commit != pull.head_sha,
            "official": review.association != "NONE" and not is_dismissed,
            "dismissed": is_dismissed,
            "submitted_at": _instant(review.at),
            "updated_at": _instant(review.at),
        }

    def event(self, number: int, kind: str, by: str, at: datetime) -> Body:
        """One entry of a timeline."""
        shape: Body = example("GET", "/repos/acme/fleet/issues/16/timeline")[-1]
        live = {"created_at": _instant(at), "updated_at": _instant(at), "user": self.account(by)}
        return shape | live | {"id": number, "type": kind, "body": ""}

    def comment(self, pull: Pull, comment: Comment) -> Body:
        """One comment."""
        page = f"{self.origin}/{self.full_name}/pulls/{pull.number}"
        return {
            "id": comment.number,
            "html_url": f"{page}#issuecomment-{comment.number}",
            "pull_request_url": page,
            "issue_url": "",
            "user": self.account(comment.by),
            "original_author": "",
            "original_author_id": 0,
            "body": comment.text,
            "assets": [],
            "created_at": _instant(comment.at),
            "updated_at": _instant(comment.at),
        }

    def error(self, message: str) -> Body:
        """What Gitea answers where it does not do it."""
        return {"message": message, "url": self.origin + SWAGGER}

    def pull_event(self, event: PullEvent, body: Body) -> Body:
        """The payload of a webhook about a pull request; `body` is the pull request."""
        return {
            "action": event.action,
            "number": event.pull.number,
            "pull_request": body,
            "requested_reviewer": None,
            "repository": self.repository(),
            "sender": self.account(event.by),
            "commit_id": "",
            "review": None,
        }

    def push_event(self, event: PushEvent) -> Body:
        """The payload of a `push` webhook of a branch, its commits left out."""
        return {
            "ref": f"refs/heads/{event.branch}",
            "before": event.before,
            "after": event.after,
            "compare_url": "",
            "commits": [],
            "total_commits": 0,
            "head_commit": None,
            "repository": self.repository(),
            "pusher": self.account(event.by),
            "sender": self.account(event.by),
        }


def _instant(at: datetime | None) -> str | None:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
