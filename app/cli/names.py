"""Names that a command was given and that there are not: told with what may have been meant, and what there is."""

from collections.abc import Mapping, Sequence

from app.core.errors import Invalid
from app.core.nearest import among, among_all, did_you_mean

_LONGEST = 200


class NothingCalledSo(Invalid):
    """A command names something that there is not."""

    def __init__(self, what: str, name: str, known: Sequence[str]) -> None:
        super().__init__(f"no {what} is called {name[:_LONGEST]!r}: {among(name, known)}")


class NoSuchLane(Invalid):
    """No lane has both the repository and the branch that a command names."""

    def __init__(self, repo: str | None, branch: str | None, known: Sequence[str]) -> None:
        there = ((repo, {one.split(":", 1)[0] for one in known}), (branch, {one.split(":", 1)[1] for one in known}))
        wrong = [did_you_mean(name, names) for name, names in there if name is not None and name not in names]
        super().__init__(f"no lane is of that repo and branch: {among_all(next(filter(None, wrong), ''), known)}")


def refuse_unknown(wanted: Mapping[str, str | None], known: Mapping[str, Sequence[str]]) -> None:
    """Look whether each thing that is named is there, where it is known what there is. Raises NothingCalledSo.

    Of a policy the last parts of its name are enough: `app` for `clusters/prod:flux-system/app`.
    """
    for what, names in known.items():
        name = wanted.get(what)
        short = [one.rpartition(mark)[2] for one in names for mark in ":/"] if what == "policy" else []
        if name is not None and names and name not in {*names, *short}:
            raise NothingCalledSo(what, name, names)
