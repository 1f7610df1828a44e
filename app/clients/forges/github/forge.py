"""The pull requests of a repository on GitHub, by its REST API."""

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from urllib.parse import quote

import github
from github.PullRequest import PullRequest as Pull
from github.Repository import Repository
from pydantic import TypeAdapter

from app.clients import bounded_http
from app.clients.forges.errors import (
    ForgeRefused,
    ForgeUnavailable,
    Hosted,
    RepositoryMoved,
    RepositoryNotVisible,
    TokenNotAccepted,
    UnknownPullRequest,
)
from app.clients.forges.github.access import Access
from app.clients.forges.github.answers import (
    AccountAnswer,
    BranchAnswer,
    CommentAnswer,
    IssueAnswer,
    ListedComment,
    ListedEvent,
    ListedPull,
    PullAnswer,
    RepositoryAnswer,
    ReviewAnswer,
    is_approved,
    is_same_repository,
    to_pull_request,
    to_seen,
)
from app.clients.forges.github.errors import TROUBLE, explain, is_already_open, is_missing
from app.clients.forges.github.identity import identify
from app.clients.forges.github.pages import PAGE, read_pages
from app.clients.forges.limits import LimitHeaders, Limits, without_budget
from app.core.errors import FluxbridgeError
from app.core.ports import (
    Capabilities,
    GitMerge,
    PullRequest,
    PullRequestDraft,
    PullRequestSeen,
    PullRequestState,
    Rights,
)

_API_VERSION = "2022-11-28"
LIMITS = LimitHeaders("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
_PULLS = TypeAdapter(list[ListedPull])
_COMMENTS = TypeAdapter(list[ListedComment])
_EVENTS = TypeAdapter(list[ListedEvent])
# Each one found costs up to two more requests. Whoever looks wants the open one, or one that was closed at a head
# that our deterministic commits would give again: after this many others the base, and so that head, is another.
_MOST_ENDED = 10
_MOST_PAGES = 20
_TOKEN = re.compile(r"[\x21-\x7e]+")
_PULL_REQUESTS = "Pull requests: read and write"


class GitHub:
    """The pull requests of one GitHub repository, with a token that is asked for at each request.

    One request at a time and with pauses, as GitHub asks; PyGithub's connection is not made for threads either.
    Nothing is retried here. Only the configured host is contacted, and the environment (proxies, .netrc) is not read.
    Before anything else it is asked once whether it is GitHub at all (WrongForge).
    `spend` is given the number of requests that write before the first of them, and may raise Unavailable. While less
    than a tenth of the token's hourly requests is left, everything raises ForgeRateLimited and nothing is asked.
    """

    capabilities = Capabilities()

    def __init__(  # noqa: PLR0913 - one argument a setting, two for budget and tests
        self,
        repository: str,
        *,
        access: Access,
        base_url: str = "https://api.github.com",
        timeout_s: int = 15,
        ca_file: Path | None = None,
        proxy: str | None = None,
        seconds_between_requests: float | None = 0.25,
        seconds_between_writes: float | None = 1.0,
        spend: Callable[[int], None] = without_budget,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self._timeout_s = repository, timeout_s
        self._at, self._access = Hosted("GitHub", repository), access
        self._url = base_url.rstrip("/")
        self._product: str | None = None
        self._lock = threading.Lock()
        self._token = _CurrentToken(self._at, access)
        self._client = github.Github(
            base_url=self._url,
            auth=self._token,
            timeout=timeout_s,
            user_agent="fluxbridge",
            per_page=PAGE,
            verify=str(ca_file) if ca_file else True,
            retry=None,
            seconds_between_requests=seconds_between_requests,
            seconds_between_writes=seconds_between_writes,
            lazy=True,
            api_version=_API_VERSION,
        )
        self._limits = Limits(self._at, spend=spend, headers=LIMITS, clock=clock)
        _keep_to_settings(self._client, proxy, timeout_s, self._limits)

    def product(self) -> str:
        """GitHub with its version and its API's, as it says itself. Raises WrongForge."""
        with self._asking():
            return self._identified()

    def account(self) -> str:
        """The login that the token belongs to; that of a GitHub App ends with `[bot]`."""
        with self._asking():
            return self._access.login() or AccountAnswer.model_validate(self._client.get_user().raw_data).login

    def rights(self, *, base: str) -> Rights:
        """What the token's account may do, and what the base branch's protection demands. Rulesets are not read."""
        with self._asking() as repository:
            headers, told = repository.requester.requestJsonAndCheck("GET", repository.url)
            its = RepositoryAnswer.model_validate(told)
            branch = self._branch(repository, base)
        may_push, is_protected = its.permissions.push, branch is not None and branch.protected
        return Rights(
            may_push=may_push,
            may_push_to_base=None if is_protected or branch is None else may_push,
            is_archived=its.archived,
            demands=branch.demands if branch is not None else (),
            token_ends_at=_token_end(headers),
        )

    def find_pull_requests(self, *, head: str) -> Sequence[PullRequest]:
        """Pull requests from this branch of the repository, newest first: those open and the last ten that ended."""
        with self._asking() as repository:
            # Without the filter on what comes back, a redirect that drops the query would give those of all branches.
            pulls = repository.get_pulls(state="all", sort="created", direction="desc", head=self._from(head))
            ours = [pull for pull in pulls.get_page(0) if pull.head.ref == head]
            ended = [pull.number for pull in ours if pull.state != "open"][:_MOST_ENDED]
            wanted = [pull for pull in ours if pull.state == "open" or pull.number in ended]
            shown = [self._shown(repository, pull.number) for pull in wanted]
            return [pull for pull in shown if not pull.is_from_fork]

    def recent_pull_requests(self, *, prefix: str, limit: int) -> Sequence[PullRequestSeen]:
        """Those from branches of the repository below `prefix`/, in any state, that changed last, newest first.

        At most `limit` pull requests are looked at, whosever they are; each hundred costs one request.
        """
        newest = {"state": "all", "sort": "updated", "direction": "desc"}
        with self._asking() as repository:
            pages = read_pages(repository, "/pulls", newest, _PULLS)
            return self._ours(islice((pull for page in pages for pull in page), limit), prefix)

    def open_pull_requests(self, *, prefix: str) -> Sequence[PullRequestSeen]:
        """Those that are open from branches of the repository below `prefix`/, of the oldest two thousand."""
        with self._asking() as repository:
            pages = read_pages(repository, "/pulls", {"state": "open", "sort": "created", "direction": "asc"}, _PULLS)
            return self._ours((pull for page in islice(pages, _MOST_PAGES) for pull in page), prefix)

    def pull_request(self, number: int) -> PullRequest:
        """One pull request. Raises UnknownPullRequest."""
        with self._asking(number) as repository:
            return self._shown(repository, number)

    def open_pull_request(self, draft: PullRequestDraft) -> PullRequest:
        """Open it and label it; one that is already open from that head into that base is returned instead.

        One is looked for first: to ask for what is there already would cost a write and give nothing.
        """
        with self._asking() as repository:
            pull = self._already_open(repository, draft)
            if pull is not None:
                self._label(pull, draft)
            else:
                with self._limits.spending(2 if draft.labels else 1):
                    pull = self._create(repository, draft)
                    self._label(pull, draft)
            return self._shown(repository, pull.number)

    def edit_pull_request(self, number: int, *, title: str, body: str, version: str | None = None) -> None:
        """Replace title and body; GitHub knows no versions of them. Raises UnknownPullRequest."""
        del version
        with self._asking(number) as repository:
            repository.get_pull(number).edit(title=title, body=body)

    def comment(self, number: int, text: str) -> None:
        """Say something in the pull request. Raises UnknownPullRequest."""
        with self._asking(number) as repository:
            CommentAnswer.model_validate(repository.get_issue(number).create_comment(text).raw_data)

    def own_comments(self, number: int, *, since: datetime) -> Sequence[str]:
        """What we said in the pull request since then, oldest first, of at most two thousand comments.

        Raises UnknownPullRequest.
        """
        account = self.account()
        query = {"since": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        with self._asking(number) as repository:
            pages = read_pages(repository, f"/issues/{number:d}/comments", query, _COMMENTS)
            listed = (comment for page in islice(pages, _MOST_PAGES) for comment in page)
            return [one.body or "" for one in listed if one.user is not None and one.user.login == account]

    def close_pull_request(self, number: int) -> PullRequest:
        """Close it; one that is closed or merged stays as it is. Raises UnknownPullRequest."""
        with self._asking(number) as repository:
            pull = repository.get_pull(number)
            if self._read(pull).outcome is PullRequestState.OPEN:
                pull.edit(state="closed")
            return self._shown(repository, number)

    def notice_merge(self, number: int, merge: GitMerge) -> PullRequest:
        """Show it as it is: GitHub sees by itself, a moment later, that its head came into its base."""
        del merge
        return self.pull_request(number)

    @contextmanager
    def _asking(self, number: int | None = None) -> Iterator[Repository]:
        """Give the repository to one caller at a time, and say its errors by who must act.

        `number` is the pull request that is asked for.
        """
        with self._lock:
            try:
                self._identified()
                yield self._client.get_repo(self.name)
            except FluxbridgeError:
                raise
            except TROUBLE as error:
                explained = self._explain(error, number)
                if isinstance(explained, TokenNotAccepted):
                    self._access.forget(self._token.shown)
                raise explained from error

    def _identified(self) -> str:
        """What it is, asked once."""
        if self._product is None:
            self._product = identify(self._client.requester, self._url)
        return self._product

    def _explain(self, error: Exception, number: int | None) -> FluxbridgeError:
        if not is_missing(error):
            return explain(error, self._at, timeout_s=self._timeout_s, permission=_PULL_REQUESTS)
        try:
            self._client.get_repo(self.name).complete()
        except TROUBLE as why:
            if is_missing(why):
                return RepositoryNotVisible(self._at)
            return explain(why, self._at, timeout_s=self._timeout_s, permission=_PULL_REQUESTS)
        if number is not None:
            return UnknownPullRequest(self._at, number)
        return ForgeRefused(
            self._at, f"the token may read the repository, but not this; give it the permission '{_PULL_REQUESTS}'"
        )

    def _branch(self, repository: Repository, name: str) -> BranchAnswer | None:
        """A branch; None where there is none, or the token may not read contents."""
        try:
            place = f"{repository.url}/branches/{quote(name, safe='')}"
            return BranchAnswer.model_validate(repository.requester.requestJsonAndCheck("GET", place)[1])
        except github.GithubException as error:
            if error.status in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
                return None
            raise

    def _from(self, head: str) -> str:
        return f"{self.name.partition('/')[0]}:{head}"

    def _create(self, repository: Repository, draft: PullRequestDraft) -> Pull:
        try:
            return repository.create_pull(draft.base, draft.head, title=draft.title, body=draft.body)
        except github.GithubException as error:
            if not is_already_open(error):
                raise
            # Somebody opened it since it was looked for.
            pull = self._already_open(repository, draft)
            if pull is None:
                problem = f"says that {draft.head} has an open pull request, but does not show it"
                raise ForgeUnavailable(self._at, problem) from error
            return pull

    def _label(self, pull: Pull, draft: PullRequestDraft) -> None:
        if lacking := [label for label in draft.labels if label not in {known.name for known in pull.labels}]:
            pull.add_to_labels(*lacking)

    def _already_open(self, repository: Repository, draft: PullRequestDraft) -> Pull | None:
        pulls = repository.get_pulls(state="open", base=draft.base, head=self._from(draft.head)).get_page(0)
        for pull in pulls:
            if (pull.head.ref, pull.base.ref) == (draft.head, draft.base) and not self._read(pull).is_from_fork:
                return pull
        return None

    def _ours(self, listed: Iterable[ListedPull], prefix: str) -> Sequence[PullRequestSeen]:
        """Those from our branches in the repository itself. One that changes between two pages stands on both."""
        found: dict[int, PullRequestSeen] = {}
        for pull in listed:
            self._require_own(pull)
            if pull.head.ref.startswith(f"{prefix}/") and not pull.is_from_fork:
                found[pull.number] = to_seen(pull)
        return list(found.values())

    def _read(self, pull: Pull) -> PullAnswer:
        answer = PullAnswer.model_validate(pull.raw_data)
        self._require_own(answer)
        return answer

    def _require_own(self, pull: ListedPull) -> None:
        if not is_same_repository(pull.base.repo.full_name, self.name):
            raise RepositoryMoved(self._at, pull.base.repo.full_name)

    def _shown(self, repository: Repository, number: int) -> PullRequest:
        """A pull request as it is now, with what only its reviews and its issue tell."""
        pull = repository.get_pull(number)
        answer, state = self._read(pull), PullRequestState
        closed_by, is_approved_now = None, False
        if answer.outcome is state.MERGED and answer.merge_commit_sha is None:
            answer.merge_commit_sha = self._merge_commit(repository, number)
        if answer.outcome is state.OPEN:
            reviews = (ReviewAnswer.model_validate(review.raw_data) for review in pull.get_reviews())
            is_approved_now = is_approved(reviews, answer.head.sha)
        elif answer.outcome is state.CLOSED:
            issue = IssueAnswer.model_validate(repository.get_issue(number).raw_data)
            closed_by = issue.closed_by.login if issue.closed_by else None
        return to_pull_request(answer, closed_by=closed_by, is_approved=is_approved_now)

    def _merge_commit(self, repository: Repository, number: int) -> str | None:
        """The commit that merged it: since version 2026-03-10 of the API pull requests do not tell, their events do."""
        pages = read_pages(repository, f"/issues/{number:d}/events", {}, _EVENTS)
        events = (event for page in islice(pages, _MOST_PAGES) for event in page)
        return next((one.commit_id for one in events if one.event == "merged"), None)


class _CurrentToken(github.Auth.Auth):
    """The token as it stands now: PyGithub's own keeps the one that it was made with."""

    def __init__(self, at: Hosted, access: Access) -> None:
        self._at, self._access = at, access
        self.shown = ""

    @property
    def token_type(self) -> str:
        """The scheme in the Authorization header."""
        return "Bearer"

    @property
    def token(self) -> str:
        """The token. Raises TokenNotAccepted where it cannot stand in a header: requests would quote it."""
        self.shown = token = self._access.token()
        if not _TOKEN.fullmatch(token):
            raise TokenNotAccepted(self._at, "is empty or holds spaces or other odd characters")
        return token


def _token_end(headers: Mapping[str, object]) -> datetime | None:
    """When the token ends, which GitHub tells with each answer to one that does: `2026-12-31 23:59:59 UTC`."""
    told = str(headers.get("github-authentication-token-expiration", ""))
    try:
        return datetime.strptime(told.removesuffix(" UTC"), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _keep_to_settings(client: github.Github, proxy: str | None, timeout_s: int, limits: Limits) -> None:
    """Take proxies from our settings alone, as PyGithub knows only those of the environment, and keep the limits."""
    connection = client.requester._Requester__createConnection()  # type: ignore[attr-defined]  # noqa: SLF001
    connection.session.trust_env = False
    connection.session.proxies = {"http": proxy, "https": proxy} if proxy else {}
    bounded_http.bound(connection.session, timeout_s=timeout_s)
    limits.watch(connection.session)
