"""Who else on this machine may read what is for this account alone: files of secrets, and the data folder."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from app.settings.secrets import named_secrets


def exposed_secrets(section: BaseModel) -> Sequence[str]:
    """Say of each file of a secret that others may read, where it is named and what to do."""
    return [
        f"{key}: {readers} may read the file {secret.file}: chmod 600 it, or put it into a folder of your own"
        for key, secret in named_secrets(section)
        if secret.file is not None and (readers := other_readers(secret.file)) is not None
    ]


def other_readers(path: Path) -> str | None:
    """Who may read or write a file beside this account, as far as modes tell; None: nobody.

    What is mounted read-only, as containers get their secrets, has its mounter's modes, and nobody else is there.
    """
    try:
        file = path.resolve(strict=True)
        if os.statvfs(file).f_flag & os.ST_RDONLY:
            return None
        return readers(file.stat(), [folder.stat() for folder in file.parents], account=os.geteuid())
    except OSError:
        return None


def readers(file: os.stat_result, folders: Sequence[os.stat_result], *, account: int) -> str | None:
    """The same of what is known of a file and of the folders around it.

    Another account can give a file to ours by its group only, so that a group counts where the file is our own.
    """
    if file.st_mode & 0o006 and all(one.st_mode & stat.S_IXOTH for one in folders):
        return "every account of this machine"
    if file.st_uid == account and file.st_mode & 0o060 and all(_lets_in(file.st_gid, one) for one in folders):
        return "its group"
    return None


def _lets_in(group: int, folder: os.stat_result) -> bool:
    return bool(folder.st_mode & (stat.S_IXGRP if folder.st_gid == group else stat.S_IXOTH))


def take_from_others(folder: Path) -> None:
    """Leave a folder of ours to this account alone; one where anyone may put files, such as /tmp, stays as it is."""
    seen = folder.stat()
    is_shared = seen.st_uid != os.geteuid() or seen.st_mode & stat.S_ISVTX
    if seen.st_mode & 0o077 and not is_shared:
        folder.chmod(stat.S_IMODE(seen.st_mode) & ~0o077)


def is_open_to_others(folder: Path) -> bool:
    """Tell whether other accounts may see into a folder. A volume that was mounted for us has its mounter's modes."""
    seen = folder.stat()
    if seen.st_uid == os.geteuid():
        return bool(seen.st_mode & 0o077)
    return bool(seen.st_mode & 0o007) and not folder.is_mount()
