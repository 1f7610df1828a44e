"""Names that commands take: what they mean, and where there is nothing called so, what may have been meant."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import quote

from app.core.errors import Invalid, NotFound
from app.core.nearest import among, among_all, did_you_mean

_LONGEST = 200


class NothingCalledSo(Invalid):
    """A command names something that there is not."""

    def __init__(self, what: str, name: str, known: Sequence[str]) -> None:
        super().__init__(f"no {what} is called {name[:_LONGEST]!r}: {among(name, known)}")


class NoPolicyName(Invalid):
    """A policy is named by something that is no namespace and name."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text[:_LONGEST]!r} names no policy: write NAMESPACE/NAME, and its root with --root")


class NoPolicyCalledSo(Invalid):
    """No policy of that namespace and name is there; the server says which are."""


class NoSuchLane(Invalid):
    """No lane has both the repository and the branch that a command names."""

    def __init__(self, repo: str | None, branch: str | None, known: Sequence[str]) -> None:
        there = ((repo, {one.split(":", 1)[0] for one in known}), (branch, {one.split(":", 1)[1] for one in known}))
        wrong = [did_you_mean(name, names) for name, names in there if name is not None and name not in names]
        super().__init__(f"no lane is of that repo and branch: {among_all(next(filter(None, wrong), ''), known)}")


def names_tag(text: str) -> bool:
    """Tell whether this names an image's tag and no policy: only in the first a colon comes behind the last slash."""
    return ":" in text.rpartition("/")[2]


def policy_path(name: str) -> tuple[str, str | None]:
    """Where the API has a policy that is written `[ROOT:]NAMESPACE/NAME`, and its root. Raises NoPolicyName."""
    namespace, slash, short = name.rpartition("/")
    root, colon, namespace = namespace.rpartition(":")
    if not slash or not namespace or not short:
        raise NoPolicyName(name)
    return f"/policies/{quote(namespace, safe='')}/{quote(short, safe='')}", root if colon else None


@contextmanager
def told_by_name() -> Iterator[None]:
    """Have the server say which policies there are. Raises NoPolicyCalledSo where it does not know the one."""
    try:
        yield
    except NotFound as error:
        raise NoPolicyCalledSo(str(error)) from error


def refuse_unknown(wanted: Mapping[str, str | None], known: Mapping[str, Sequence[str]]) -> None:
    """Look whether each thing that is named is there, where it is known what there is. Raises NothingCalledSo.

    Of a policy the last parts of its name are enough: `app` for `clusters/prod:flux-system/app`.
    """
    for what, names in known.items():
        name = wanted.get(what)
        short = [one.rpartition(mark)[2] for one in names for mark in ":/"] if what == "policy" else []
        if name is not None and names and name not in {*names, *short}:
            raise NothingCalledSo(what, name, names)
