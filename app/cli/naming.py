"""What the names that commands take mean: a tag of an image, or a policy."""

from urllib.parse import quote

from app.core.errors import Invalid


class NoPolicyName(Invalid):
    """A policy is named by something that is no namespace and name."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text[:200]!r} names no policy: write NAMESPACE/NAME, and its root with --root")


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
