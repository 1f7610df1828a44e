"""The pull requests of a repository on Gitea or Forgejo, by the REST API."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from app.clients.forges.errors import (
    ForgeRefused,
    ForgeUnavailable,
    Hosted,
)
from app.clients.forges.gitea.answers import (
    COMMENTS,
    LABELS,
    PULLS,
    REFS,
    REVIEWS,
    TIMELINE,
    AccountAnswer,
    BranchAnswer,
    EventAnswer,
    LabelAnswer,
    PullAnswer,
    RefAnswer,
    RepositoryAnswer,
    closer,
    is_approved,
    is_scheduled,
    to_pull_request,
    to_seen,
)
from app.clients.forges.gitea.errors import explain, message_of
from app.clients.forges.gitea.identity import identify
from app.clients.forges.limits import Limits, without_budget
from app.clients.forges.rest import Answer, JsonObject, Query, Redirected, Rejected, RestClient, segment
from app.core.ports import (
    Capabilities,
    GitMerge,
    PullRequest,
    PullRequestDraft,
    PullRequestSeen,
    PullRequestState,
    Rights,
)

# The most that a server gives with its own settings; one with less says by a link that there is more.
_PAGE = 50
_MOST_OPEN_PAGES = 40
# Gitea finds nothing by its head, so what ended is looked for among those that changed last. Whoever looks wants one
# that was closed at a head that our deterministic commits would give again: after this many the base is another.
_MOST_CLOSED_PAGES = 2
_MOST_ENDED = 10
_MOST_ENTRIES_PAGES = 20
# A longer title is cut by Gitea, silently: cut here, it reads as it was asked for.
_LONGEST_TITLE_BYTES = 255
_LABEL_COLOR = "#0366d6"
_ALREADY_OPEN = re.compile(r"already exists for these targets \[.*\bissue_id: (\d{1,12})\b")

Item = TypeVar("Item")


class Gitea:
    """The pull requests of one repository, with an access token that is read at each request.

    One request at a time. Nothing is retried here. Only the configured host is contacted, and the environment (proxies,
    .netrc) is not read. Before anything else it is asked once what it is (WrongForge). `spend` is given the number of
    requests that write before the first of them, and may raise Unavailable.
    """

    capabilities = Capabilities()

    def __init__(  # noqa: PLR0913 - one argument a setting, one for the budget
        self,
        repository: str,
        *,
        token: Callable[[], str],
        base_url: str,
        timeout_s: float = 15,
        ca_file: Path | None = None,
        proxy: str | None = None,
        spend: Callable[[int], None] = without_budget,
    ) -> None:
        self.name, self._url = repository, base_url.rstrip("/")
        self._at = Hosted("Gitea", repository)
        owner, _, name = repository.partition("/")
        self._owner = segment(owner)
        self._place = f"/repos/{self._owner}/{segment(name)}"
        self._product: str | None = None
        self._rest = RestClient(
            self._at,
            self._url,
            authorization=lambda: f"token {token()}",
            limits=Limits(self._at, spend=spend),
            timeout_s=timeout_s,
            ca_file=ca_file,
            proxy=proxy,
        )

    def product(self) -> str:
        """Gitea or Forgejo with its version, as it says itself. Raises WrongForge."""
        with self._asking():
            return self._identified()

    def account(self) -> str:
        """The login that the token belongs to; the token needs the scope read:user for it."""
        with self._asking():
            return self._rest.get("/user").read(AccountAnswer).login

    def rights(self, *, base: str) -> Rights:
        """What the token's account may do, and what the base branch's protection demands."""
        with self._asking():
            its = self._rest.get(self._place).read(RepositoryAnswer)
            branch = self._branch(base)
        return Rights(
            may_push=its.permissions.push,
            may_push_to_base=branch.user_can_push,
            is_archived=its.archived,
            demands=branch.demands,
        )

    def find_pull_requests(self, *, head: str) -> Sequence[PullRequest]:
        """Pull requests from this branch of the repository, newest first: those open and the last ten that ended.

        Of those that ended, the hundred that changed last are looked through.
        """
        with self._asking():
            ended = chain.from_iterable(islice(self._listed("closed", "recentupdate"), _MOST_CLOSED_PAGES))
            ours = [
                *(pull for page in self._open_pages() for pull in page if _is_from(pull, head)),
                *islice((pull for pull in ended if _is_from(pull, head)), _MOST_ENDED),
            ]
            newest_first = sorted({pull.number: pull for pull in ours}.items(), reverse=True)
            return [self._in_full(pull) for _, pull in newest_first]

    def recent_pull_requests(self, *, prefix: str, limit: int) -> Sequence[PullRequestSeen]:
        """Those from branches of the repository below `prefix`/, in any state, that changed last, newest first.

        At most `limit` pull requests are looked at, whosever they are; each fifty cost one request.
        """
        with self._asking():
            return _ours(islice(chain.from_iterable(self._listed("all", "recentupdate")), limit), prefix)

    def open_pull_requests(self, *, prefix: str) -> Sequence[PullRequestSeen]:
        """Those that are open from branches of the repository below `prefix`/, of the oldest two thousand."""
        with self._asking():
            return _ours(chain.from_iterable(self._open_pages()), prefix)

    def pull_request(self, number: int) -> PullRequest:
        """One pull request. Raises UnknownPullRequest."""
        with self._asking(number):
            return self._shown(number)

    def open_pull_request(self, draft: PullRequestDraft) -> PullRequest:
        """Open it with its labels; one that is already open from that head into that base is returned instead.

        Gitea opens what has no difference, too: only a branch into itself is refused here.
        """
        if draft.head == draft.base:
            raise ForgeRefused(self._at, f"{draft.head} has no difference to itself that could be opened")
        with self._asking():
            pull = self._already_open(draft)
            labels = self._labels(draft.labels)
            if pull is None:
                with self._rest.limits.spending(1 + sum(label is None for label in labels.values())):
                    pull = self._create(draft, self._made(labels))
            lacking = [name for name in draft.labels if name not in {label.name for label in pull.labels or ()}]
            if lacking:
                ids = self._made({name: labels[name] for name in lacking})
                self._rest.ask("POST", f"{self._place}/issues/{pull.number:d}/labels", body={"labels": ids})
            return self._shown(pull.number)

    def edit_pull_request(self, number: int, *, title: str, body: str, version: str | None = None) -> None:
        """Replace title and body; an empty title changes nothing. Raises UnknownPullRequest."""
        del version
        self._patch(number, {"title": _fitting(title), "body": body})

    def comment(self, number: int, text: str) -> None:
        """Say something in the pull request. Raises UnknownPullRequest.

        Some versions keep a comment and answer 500, so after that it is looked whether it is there.
        """
        with self._asking(number):
            try:
                self._rest.ask("POST", f"{self._place}/issues/{number:d}/comments", body={"body": text})
            except ForgeUnavailable:
                if self._own_comments(number, {})[-1:] != [text]:
                    raise

    def own_comments(self, number: int, *, since: datetime) -> Sequence[str]:
        """What we said in the pull request since then, oldest first. Raises UnknownPullRequest."""
        with self._asking(number):
            return self._own_comments(number, {"since": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")})

    def close_pull_request(self, number: int) -> PullRequest:
        """Close it; one that is closed or merged stays as it is. Raises UnknownPullRequest."""
        with self._asking(number):
            if self._pull(number).outcome is PullRequestState.OPEN:
                self._patch(number, {"state": "closed"})
            return self._shown(number)

    def notice_merge(self, number: int, merge: GitMerge) -> PullRequest:
        """Close what was merged by git, unless the repository is set to see that by itself; shown as merged by git."""
        with self._asking(number):
            pull = self._pull(number)
            is_open = pull.outcome is PullRequestState.OPEN
            if pull.merged or (is_open and self._repository().autodetect_manual_merge):
                return self._in_full(pull)
            if is_open:
                self._patch(number, {"state": "closed"})
            shown = replace(self._shown(number), state=PullRequestState.MERGED, closed_by=None)
            return replace(shown, merged_by=merge.by, merged_at=merge.at, merge_commit=merge.commit)

    @contextmanager
    def _asking(self, number: int | None = None) -> Iterator[None]:
        """Let one caller at a time ask, and say what went wrong; `number` is the pull request that is asked for."""
        with self._rest.alone():
            try:
                self._identified()
                yield
            except (Rejected, Redirected) as error:
                raise explain(error, self._rest, self._place, number) from error

    def _branch(self, name: str) -> BranchAnswer:
        """A branch; nothing is known of one that is not there."""
        try:
            return self._rest.get(f"{self._place}/branches/{segment(name)}").read(BranchAnswer)
        except Rejected as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return BranchAnswer()

    def _identified(self) -> str:
        """What it is, asked once."""
        if self._product is None:
            self._product = identify(self._rest, self._url)
        return self._product

    def _repository(self) -> RepositoryAnswer:
        return self._rest.get(self._place).read(RepositoryAnswer)

    def _listed(self, state: str, order: str) -> Iterator[list[PullAnswer]]:
        return self._pages("/pulls", PULLS, {"state": state, "sort": order})

    def _open_pages(self) -> Iterable[list[PullAnswer]]:
        return islice(self._listed("open", "oldest"), _MOST_OPEN_PAGES)

    def _pages(self, rest: str, page: TypeAdapter[list[Item]], query: Mapping[str, str]) -> Iterator[list[Item]]:
        return self._rest.pages(self._place + rest, {**query, "limit": str(_PAGE)}, page)

    def _entries(self, rest: str, page: TypeAdapter[list[Item]], query: Mapping[str, str] | None = None) -> list[Item]:
        """What belongs to one pull request, as far as anybody reads it."""
        return list(chain.from_iterable(islice(self._pages(rest, page, query or {}), _MOST_ENTRIES_PAGES)))

    def _own_comments(self, number: int, query: Mapping[str, str]) -> list[str]:
        # Gitea has a 500 for comments of what is not there.
        self._pull(number)
        account = self._rest.get("/user").read(AccountAnswer).login
        said = self._entries(f"/issues/{number:d}/comments", COMMENTS, query)
        return [one.body or "" for one in said if one.user is not None and one.user.login == account]

    def _patch(self, number: int, change: JsonObject) -> None:
        with self._asking(number):
            self._rest.ask("PATCH", f"{self._place}/pulls/{number:d}", body=change).read(PullAnswer)

    def _create(self, draft: PullRequestDraft, labels: Sequence[int]) -> PullAnswer:
        asked = {"head": draft.head, "base": draft.base, "title": _fitting(draft.title), "body": draft.body}
        try:
            return self._ask("POST", "/pulls", body={**asked, "labels": labels}).read(PullAnswer)
        except Rejected as error:
            # Somebody opened it since it was looked for.
            found = _ALREADY_OPEN.search(message_of(error)) if error.status == HTTPStatus.CONFLICT else None
            if found is None:
                raise
            pull = self._pull(int(found[1]))
            if pull.outcome is not PullRequestState.OPEN or not _is_between(pull, draft):
                problem = f"says that {draft.head} has an open pull request, but does not show it"
                raise ForgeUnavailable(self._at, problem) from error
            return pull

    def _ask(self, method: str, rest: str, *, query: Query = (), body: JsonObject | None = None) -> Answer:
        return self._rest.ask(method, self._place + rest, query=query, body=body)

    def _already_open(self, draft: PullRequestDraft) -> PullAnswer | None:
        listed = chain.from_iterable(self._open_pages())
        return next((pull for pull in listed if _is_between(pull, draft)), None)

    def _labels(self, names: Sequence[str]) -> Mapping[str, int | None]:
        """The ids of labels, of the repository or else its organisation's; None: there is none of that name."""
        known: dict[str, int] = {}
        places = (f"{self._place}/labels", f"/orgs/{self._owner}/labels")
        for place in places:
            if all(name in known for name in names):
                break
            for label in self._labels_at(place):
                known.setdefault(label.name, label.id)
        return {name: known.get(name) for name in names}

    def _labels_at(self, place: str) -> list[LabelAnswer]:
        """The labels there; none where the owner is no organisation, or the token may not read those of one."""
        try:
            pages = self._rest.pages(place, {"limit": str(_PAGE)}, LABELS)
            return list(chain.from_iterable(islice(pages, _MOST_ENTRIES_PAGES)))
        except Rejected:
            if place.startswith("/orgs/"):
                return []
            raise

    def _made(self, labels: Mapping[str, int | None]) -> list[int]:
        """The ids of labels, which are made where there are none. Gitea would make a second one of a name, too."""
        return [self._new_label(name) if known is None else known for name, known in labels.items()]

    def _new_label(self, name: str) -> int:
        return self._ask("POST", "/labels", body={"name": name, "color": _LABEL_COLOR}).read(LabelAnswer).id

    def _pull(self, number: int) -> PullAnswer:
        return self._ask("GET", f"/pulls/{number:d}").read(PullAnswer)

    def _shown(self, number: int) -> PullRequest:
        return self._in_full(self._pull(number))

    def _in_full(self, pull: PullAnswer) -> PullRequest:
        """A pull request with what only its reviews, its timeline and its ref tell."""
        number, head_sha = pull.number, pull.head.sha
        if pull.outcome is PullRequestState.OPEN:
            reviews = self._entries(f"/pulls/{number:d}/reviews", REVIEWS)
            is_committed = is_approved(reviews, head_sha) or is_scheduled(self._timeline(number))
            return to_pull_request(pull, head_sha=head_sha, is_committed=is_committed)
        if pull.has_branch:
            head_sha = self._head_at_the_end(number) or head_sha
        closed_by = closer(self._timeline(number)) if pull.outcome is PullRequestState.CLOSED else None
        return to_pull_request(pull, head_sha=head_sha, closed_by=closed_by)

    def _timeline(self, number: int) -> list[EventAnswer]:
        return self._entries(f"/issues/{number:d}/timeline", TIMELINE)

    def _head_at_the_end(self, number: int) -> str | None:
        """The head that was merged or closed: its ref stays there, while what is shown follows the branch."""
        try:
            found = self._ask("GET", f"/git/refs/pull/{number:d}/head").read_as(REFS)
        except Rejected as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        refs = [found] if isinstance(found, RefAnswer) else found
        return next((one.object.sha for one in refs if one.ref == f"refs/pull/{number:d}/head"), None)


def _is_from(pull: PullAnswer, head: str) -> bool:
    return pull.head.label == head and not pull.is_from_fork


def _is_between(pull: PullAnswer, draft: PullRequestDraft) -> bool:
    return _is_from(pull, draft.head) and pull.base.label == draft.base


def _ours(listed: Iterable[PullAnswer], prefix: str) -> Sequence[PullRequestSeen]:
    """Those from our branches in the repository itself. One that changes between two pages stands on both."""
    found = (pull for pull in listed if pull.head.label.startswith(f"{prefix}/") and not pull.is_from_fork)
    return list({pull.number: to_seen(pull) for pull in found}.values())


def _fitting(title: str) -> str:
    """A title that Gitea leaves as it is."""
    told = title.encode()
    if len(told) <= _LONGEST_TITLE_BYTES:
        return title
    return told[: _LONGEST_TITLE_BYTES - len("…".encode())].decode(errors="ignore") + "…"
