"""Who else may read what is for this account alone, by modes as people and containers make them."""

import os
from pathlib import Path

import pytest

from app.settings.exposure import is_open_to_others, other_readers, readers, take_from_others

US, ROOT, OUR_GROUP, USERS = 1000, 0, 1000, 100
_EVERYBODY, _GROUP = "every account of this machine", "its group"


def seen(mode: int, owner: int = US, group: int = OUR_GROUP) -> os.stat_result:
    """What is known of a file or a folder."""
    return os.stat_result((mode, 0, 0, 1, owner, group, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("file", "folder", "told"),
    [
        pytest.param(seen(0o600), seen(0o755), None, id="our own"),
        pytest.param(seen(0o400), seen(0o777), None, id="our own, fixed"),
        pytest.param(seen(0o644), seen(0o755), _EVERYBODY, id="as editors make it"),
        pytest.param(seen(0o602), seen(0o755), _EVERYBODY, id="others write it"),
        pytest.param(seen(0o644, ROOT, ROOT), seen(0o755), _EVERYBODY, id="given by root to all"),
        pytest.param(seen(0o644), seen(0o700), None, id="in a closed folder"),
        pytest.param(seen(0o644), seen(0o750), _GROUP, id="in a folder of our group"),
        pytest.param(seen(0o644, group=USERS), seen(0o750), None, id="in a folder of another group"),
        pytest.param(seen(0o640), seen(0o755), _GROUP, id="group"),
        pytest.param(seen(0o660, group=USERS), seen(0o755), _GROUP, id="another group"),
        pytest.param(seen(0o640), seen(0o700), None, id="group, in a closed folder"),
        pytest.param(seen(0o640, ROOT), seen(0o755), None, id="given by root to our group"),
    ],
)
def test_modes_tell_who_reads_a_file(file: os.stat_result, folder: os.stat_result, told: str | None) -> None:
    assert readers(file, [folder, seen(0o755, ROOT, ROOT)], account=US) == told


def test_a_link_is_as_open_as_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o700)
    (tmp_path / "closed" / "secret").touch(mode=0o666)
    (tmp_path / "link").symlink_to(tmp_path / "closed" / "secret")
    assert other_readers(tmp_path / "link") is None


def test_a_file_that_is_not_there_is_told_elsewhere(tmp_path: Path) -> None:
    assert other_readers(tmp_path / "nothing") is None


def test_a_folder_of_ours_is_taken_from_others(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o2775)
    assert is_open_to_others(folder)
    take_from_others(folder)
    assert folder.stat().st_mode & 0o7777 == 0o2700
    assert not is_open_to_others(folder)


def test_a_folder_where_anyone_may_put_files_stays_and_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o1777)
    take_from_others(folder)
    assert folder.stat().st_mode & 0o7777 == 0o1777
    assert is_open_to_others(folder)
