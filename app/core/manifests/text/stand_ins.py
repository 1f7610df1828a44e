"""Files whose content is not in Git, but something that stands for it."""

_LFS_SPECS = (
    b"version https://git-lfs.github.com/spec/",
    b"version https://hawser.github.com/spec/",
    b"version http://git-media.io/v/",
)
_LARGEST_POINTER = 1024  # Source: Git LFS reads nothing larger as a pointer.


def explain_stand_in(content: bytes) -> str | None:
    r"""Tell why what a file should hold is not in Git; None for any other file.

    >>> explain_stand_in(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n")
    'a Git LFS pointer: its content is not in Git'
    """
    if len(content) < _LARGEST_POINTER and content.startswith(_LFS_SPECS):
        return "a Git LFS pointer: its content is not in Git"
    if len(content) < _LARGEST_POINTER and content.startswith(b"/annex/objects/"):
        return "a git-annex pointer: its content is not in Git"
    if content.startswith(b"\x00GITCRYPT\x00"):
        return "encrypted by git-crypt: its content cannot be read"
    return None
