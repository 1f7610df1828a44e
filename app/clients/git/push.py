"""Moves many branches of the remote in one push and reads git's report on each."""

import re
from collections.abc import Mapping, Sequence

from app.clients.git.command import GitCommand, GitFailed, checked_branch, checked_sha, readable
from app.clients.git.remote import Remote, RemoteUnavailable
from app.core.ports import BranchUpdate, PushOutcome, PushResult

_MOVED_MEANWHILE = re.compile(
    r"stale info|fetch first|non-fast-forward|already exists|cannot lock ref|incorrect old value"
    r"|failed to (update|lock)|remote ref updated since checkout"
)
# A branch whose name is a folder of ours, or the other way round: it does not go away by looking again.
_NEVER = re.compile(r"cannot create|directory file conflict|unable to create directory")
_OUTCOME_UNKNOWN = re.compile(r"remote failed to report status|remote failure")
_HEADS = "refs/heads/"
_DONE = PushResult(PushOutcome.DONE)


def push(git: GitCommand, remote: Remote, updates: Sequence[BranchUpdate]) -> Mapping[str, PushResult]:
    """Push all updates, each under its own lease. Raises RemoteRefused or RemoteUnavailable.

    A server's pre-receive hook refuses all branches of a push for the sake of one, so refused ones are tried alone.
    """
    results = _push_together(git, remote, updates)
    refused = [each for each in updates if results[each.branch].outcome is PushOutcome.REFUSED]
    if len(updates) > 1:
        for update in refused:
            results |= _push_together(git, remote, [update])
    return results | _gone_already(git, remote, updates, results)


def _push_together(git: GitCommand, remote: Remote, updates: Sequence[BranchUpdate]) -> dict[str, PushResult]:
    if not updates:
        return {}
    command = ["push", "--porcelain", "--no-verify", *map(_lease, updates), "--", remote.url, *map(_refspec, updates)]
    done = remote.ask(git, *command, accept=(0, 1))
    report = read_report(done.text, done.words)
    if missing := [each.branch for each in updates if each.branch not in report]:
        if not report:
            raise remote.failure(GitFailed("push", done.words))
        raise RemoteUnavailable(remote.url, f"the push ended without a word on {', '.join(missing)}")
    return {each.branch: report[each.branch] for each in updates}


def read_report(porcelain: str, words: str) -> dict[str, PushResult]:
    r"""Read `git push --porcelain`: `<flag> TAB <from>:<to> TAB <summary> (<reason>)` for each ref.

    Branches whose fate the remote did not tell are left out. `words` (the remote's own lines) go with a refusal.

    >>> read_report("!\t1f:refs/heads/a\t[rejected] (stale info)\nDone", "")["a"].outcome.value
    'stale'
    """
    report = {}
    for line in porcelain.splitlines():
        flag, _, rest = line.partition("\t")
        refs, tab, summary = rest.partition("\t")
        target = refs.rpartition(":")[2]
        if tab and target.startswith(_HEADS) and not _OUTCOME_UNKNOWN.search(summary):
            report[target.removeprefix(_HEADS)] = _result(flag, summary, words)
    return report


def _result(flag: str, summary: str, words: str) -> PushResult:
    if flag != "!":
        return _DONE
    summary = readable(summary.encode("utf-8", "replace"))
    if _MOVED_MEANWHILE.search(summary) and not _NEVER.search(f"{summary}\n{words}"):
        return PushResult(PushOutcome.STALE, summary)
    said = [line.removeprefix("remote:").strip() for line in words.splitlines() if line.startswith("remote:")]
    return PushResult(PushOutcome.REFUSED, "; ".join([summary, *filter(None, said)]))


def _gone_already(
    git: GitCommand, remote: Remote, updates: Sequence[BranchUpdate], results: Mapping[str, PushResult]
) -> dict[str, PushResult]:
    """Deletions that failed because there was nothing left to delete: these are done."""
    deletions = [each.branch for each in updates if each.commit is None and results[each.branch] != _DONE]
    if not deletions:
        return {}
    present = list_branches(git, remote, deletions)
    return {branch: _DONE for branch in deletions if branch not in present}


def list_branches(git: GitCommand, remote: Remote, branches: Sequence[str] = ()) -> dict[str, str]:
    """The remote's branches with their commits, or those of `branches` only (a pattern may end in `/*`)."""
    patterns = [f"{_HEADS}{branch}" for branch in branches] or [f"{_HEADS}*"]
    listed = remote.ask(git, "ls-remote", "--refs", "--", remote.url, *patterns)
    pairs = (line.split("\t", 1) for line in listed.text.splitlines())
    return {ref.removeprefix(_HEADS): sha for sha, ref in pairs if ref.startswith(_HEADS)}


def _lease(update: BranchUpdate) -> str:
    expected = checked_sha(update.expected) if update.expected is not None else ""
    return f"--force-with-lease={_HEADS}{checked_branch(update.branch)}:{expected}"


def _refspec(update: BranchUpdate) -> str:
    commit = checked_sha(update.commit) if update.commit is not None else ""
    return f"{commit}:{_HEADS}{checked_branch(update.branch)}"
