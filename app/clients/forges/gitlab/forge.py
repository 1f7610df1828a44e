"""The merge requests of a project on GitLab, by its REST API v4."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from itertools import chain, islice, takewhile
from pathlib import Path

from pydantic import TypeAdapter

from app.clients.forges.errors import ForgeUnavailable, Hosted, RepositoryMoved
from app.clients.forges.gitlab.answers import (
    Account,
    Approvals,
    Branch,
    MergeRequest,
    Note,
    Project,
    Token,
    Version,
    is_approved_since,
    to_pull_request,
)
from app.clients.forges.gitlab.errors import explain, is_same_project
from app.clients.forges.gitlab.identity import identify
from app.clients.forges.gitlab.quick_actions import as_given, without_actions
from app.clients.forges.limits import LimitHeaders, Limits, without_budget
from app.clients.forges.rest import JsonObject, Model, Redirected, Rejected, RestClient, segment
from app.core.ports import (
    Capabilities,
    GitMerge,
    PullRequest,
    PullRequestDraft,
    PullRequestSeen,
    PullRequestState,
    Rights,
)

_LIMITS = LimitHeaders("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", span="minute")
_MERGES = TypeAdapter(list[MergeRequest])
_NOTES = TypeAdapter(list[Note])
_VERSIONS = TypeAdapter(list[Version])
_PAGE = "100"
_MOST_PAGES = 20


class GitLab:
    """The merge requests of one project, with a token that is read at each request.

    One request at a time. Nothing is retried here. Only the configured host is contacted, and the environment (proxies,
    .netrc) is not read. Before anything else it is asked once whether it is GitLab at all (WrongForge).
    `spend` is given the number of requests that write before the first of them, and may raise Unavailable. Where GitLab
    tells its limit and less than a tenth of that is left, everything raises ForgeRateLimited and nothing is asked.
    """

    capabilities = Capabilities()

    def __init__(  # noqa: PLR0913 - one argument a setting, two for budget and tests
        self,
        repository: str,
        *,
        token: Callable[[], str],
        base_url: str,
        timeout_s: float = 15,
        ca_file: Path | None = None,
        proxy: str | None = None,
        spend: Callable[[int], None] = without_budget,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._at, self._url = Hosted("GitLab", repository), base_url
        self._rest = RestClient(
            self._at,
            base_url,
            authorization=lambda: f"Bearer {token()}",
            limits=Limits(self._at, spend=spend, headers=_LIMITS, clock=clock),
            timeout_s=timeout_s,
            ca_file=ca_file,
            proxy=proxy,
        )
        self._project = f"/projects/{segment(repository)}"
        self._merges = f"{self._project}/merge_requests"
        self._product: str | None = None

    def product(self) -> str:
        """GitLab's version as it tells it itself. Raises WrongForge."""
        with self._asking():
            return self._identified()

    def account(self) -> str:
        """The username under which we act, asked anew: the token may have become another's."""
        with self._asking():
            return self._rest.get("/user").read(Account).username

    def rights(self, *, base: str) -> Rights:
        """What the token may do, and when it ends. What protection demands, only maintainers are told."""
        with self._asking():
            project = self._rest.get(self._project).read(Project)
            branch = self._known(f"{self._project}/repository/branches/{segment(base)}", Branch)
            token = self._known("/personal_access_tokens/self", Token)
        return Rights(
            may_push=None if project.permissions is None else not project.is_below_developer,
            may_push_to_base=branch.can_push if branch is not None else None,
            is_archived=project.archived,
            token_ends_at=token.ends_at if token is not None else None,
        )

    def find_pull_requests(self, *, head: str) -> Sequence[PullRequest]:
        """Those from this branch of the project, in any state, newest first: of the hundred newest."""
        query = {"source_branch": head, "state": "all", "order_by": "created_at", "sort": "desc"}
        with self._asking():
            listed = next(self._pages(query))
            ours = [merge for merge in listed if merge.source_branch == head and not merge.is_from_fork]
            return [self._complete(merge) for merge in ours]

    def recent_pull_requests(self, *, prefix: str, limit: int) -> Sequence[PullRequestSeen]:
        """Those from branches of the project below `prefix`/, in any state, that changed last, newest first.

        At most `limit` merge requests are looked at, whosever they are; each hundred costs one request.
        """
        with self._asking():
            pages = self._pages({"state": "all", "order_by": "updated_at", "sort": "desc"})
            return _ours(islice(chain.from_iterable(pages), limit), prefix)

    def open_pull_requests(self, *, prefix: str) -> Sequence[PullRequestSeen]:
        """Those that are open from branches of the project below `prefix`/, of the oldest two thousand."""
        with self._asking():
            pages = self._pages({"state": "opened", "order_by": "created_at", "sort": "asc"})
            return _ours(chain.from_iterable(islice(pages, _MOST_PAGES)), prefix)

    def pull_request(self, number: int) -> PullRequest:
        """One merge request. Raises UnknownPullRequest."""
        with self._asking(number):
            return self._shown(number)

    def open_pull_request(self, draft: PullRequestDraft) -> PullRequest:
        """Open it with its labels; one that is already open from that head into that base is returned instead.

        One is looked for first: to ask for what is there already would cost a write and give nothing.
        """
        with self._asking():
            found = self._already_open(draft)
            if found is None:
                found = self._create(draft)
            elif lacking := [label for label in draft.labels if label not in found.labels]:
                self._write("PUT", self._of(found.iid), {"add_labels": ",".join(lacking)})
            return self._shown(found.iid)

    def edit_pull_request(self, number: int, *, title: str, body: str, version: str | None = None) -> None:
        """Replace title and body; GitLab knows no versions of them. Raises UnknownPullRequest."""
        del version
        with self._asking(number):
            self._write("PUT", self._of(number), {"title": title, "description": without_actions(body)})

    def comment(self, number: int, text: str) -> None:
        """Say something in the merge request. Raises UnknownPullRequest."""
        with self._asking(number):
            said = {"body": without_actions(text)}
            self._rest.ask("POST", f"{self._of(number)}/notes", body=said).read(Note)

    def own_comments(self, number: int, *, since: datetime) -> Sequence[str]:
        """What we said in the merge request since then, oldest first, of its newest two thousand comments.

        Raises UnknownPullRequest.
        """
        account = self.account()
        query = {"order_by": "created_at", "sort": "desc", "per_page": _PAGE}
        with self._asking(number):
            pages = islice(self._rest.pages(f"{self._of(number)}/notes", query, _NOTES), _MOST_PAGES)
            newest = takewhile(lambda note: note.created_at >= since, chain.from_iterable(pages))
            ours = [as_given(one.body) for one in newest if _is_by(account, one) and not one.system]
            return ours[::-1]

    def close_pull_request(self, number: int) -> PullRequest:
        """Close it; one that is closed or merged stays as it is. Raises UnknownPullRequest."""
        with self._asking(number):
            if self._read(number).outcome is PullRequestState.OPEN:
                self._write("PUT", self._of(number), {"state_event": "close"})
            return self._shown(number)

    def notice_merge(self, number: int, merge: GitMerge) -> PullRequest:
        """Show it as it is: GitLab sees by itself, a moment later, that its head came into its base."""
        del merge
        return self.pull_request(number)

    @contextmanager
    def _asking(self, number: int | None = None) -> Iterator[None]:
        """Let one caller at a time ask, and say errors by who must act; `number` is what is asked for."""
        with self._rest.alone():
            try:
                self._identified()
                yield
            except (Rejected, Redirected) as error:
                raise explain(error, self._rest, number) from error

    def _known(self, path: str, model: type[Model]) -> Model | None:
        """What is there, as far as we may see it."""
        try:
            return self._rest.get(path).read(model)
        except Rejected as error:
            if error.status not in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
                raise
            return None

    def _identified(self) -> str:
        """What it is, asked once."""
        if self._product is None:
            self._product = identify(self._rest, self._url)
        return self._product

    def _of(self, number: int) -> str:
        return f"{self._merges}/{number:d}"

    def _pages(self, query: dict[str, str]) -> Iterator[list[MergeRequest]]:
        for page in self._rest.pages(self._merges, {**query, "per_page": _PAGE}, _MERGES):
            for merge in page:
                self._require_own(merge)
            yield page

    def _read(self, number: int) -> MergeRequest:
        """One as it is now; that it is asked for by itself makes GitLab look for conflicts where that is due."""
        return self._require_own(self._rest.get(self._of(number)).read(MergeRequest))

    def _write(self, method: str, path: str, body: JsonObject) -> MergeRequest:
        return self._require_own(self._rest.ask(method, path, body=body).read(MergeRequest))

    def _require_own(self, merge: MergeRequest) -> MergeRequest:
        if merge.project and not is_same_project(merge.project, self._at.repository):
            raise RepositoryMoved(self._at, merge.project)
        return merge

    def _shown(self, number: int) -> PullRequest:
        merge = self._read(number)
        is_open = merge.outcome is PullRequestState.OPEN
        return to_pull_request(merge, is_approved=is_open and self._is_approved(merge))

    def _complete(self, listed: MergeRequest) -> PullRequest:
        """What a list says is all there is to say, but of one that is open."""
        if listed.outcome is PullRequestState.OPEN:
            return self._shown(listed.iid)
        return to_pull_request(listed)

    def _is_approved(self, merge: MergeRequest) -> bool:
        """Whether anybody but its author approved this head: only those with a say in the project can at all."""
        told = self._rest.get(f"{self._of(merge.iid)}/approvals").read(Approvals).approved_by
        approvals = [one for one in told if merge.author is None or one.user != merge.author]
        if not approvals or any(one.approved_at is None for one in approvals):
            return bool(approvals)
        versions = self._rest.get(f"{self._of(merge.iid)}/versions", {"per_page": _PAGE}).read_as(_VERSIONS)
        since = [one.created_at for one in versions if one.head_commit_sha == merge.sha]
        return is_approved_since(approvals, max(since, default=None))

    def _already_open(self, draft: PullRequestDraft) -> MergeRequest | None:
        query = {"source_branch": draft.head, "target_branch": draft.base, "state": "opened"}
        for merge in next(self._pages(query)):
            is_wanted = (merge.source_branch, merge.target_branch) == (draft.head, draft.base)
            if is_wanted and not merge.is_from_fork and merge.outcome is PullRequestState.OPEN:
                return merge
        return None

    def _create(self, draft: PullRequestDraft) -> MergeRequest:
        wanted = {
            "source_branch": draft.head,
            "target_branch": draft.base,
            "title": draft.title,
            "description": without_actions(draft.body),
        }
        labels = {"labels": ",".join(draft.labels)} if draft.labels else {}
        try:
            return self._write("POST", self._merges, wanted | labels)
        except Rejected as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            # Somebody opened it since it was looked for.
            if found := self._already_open(draft):
                return found
            problem = f"says that {draft.head} has an open merge request, but does not show it"
            raise ForgeUnavailable(self._at, problem) from error


def _is_by(account: str, note: Note) -> bool:
    return note.author is not None and note.author.username == account


def _ours(listed: Iterable[MergeRequest], prefix: str) -> Sequence[PullRequestSeen]:
    """Those from our branches in the project itself. One that changes between two pages stands on both."""
    ours = (one for one in listed if one.source_branch.startswith(f"{prefix}/") and not one.is_from_fork)
    return list({one.iid: one.seen for one in ours}.values())
