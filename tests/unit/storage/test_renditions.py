"""Pictures in a folder: sealed, within their room, and never in anybody's way."""

import os
import time
from pathlib import Path

import pytest

from imagebank.storage.renditions import FileRenditions

ONE, OTHER = b"1" * 32, b"2" * 32


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_picture_is_found_by_its_secret_alone_and_lies_there_sealed(tmp_path: Path) -> None:
    kept = FileRenditions(tmp_path / "pictures", 1 << 20)
    kept.put(ONE, b"a picture of a head")
    kept.put(ONE, b"a picture of a head")
    at_once = kept.get(ONE)
    kept.close()
    kept.put(OTHER, b"too late")
    (file,) = files(tmp_path)

    assert at_once == FileRenditions(tmp_path / "pictures", 1 << 20).get(ONE) == b"a picture of a head"
    assert kept.get(OTHER) is None
    assert b"picture of" not in file.read_bytes()
    assert not any(secret.hex()[:8] in str(file) for secret in (ONE, OTHER))
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("left", [b"", b"short", bytes(100)])
def test_a_file_that_was_cut_off_holds_no_picture(tmp_path: Path, left: bytes) -> None:
    kept = FileRenditions(tmp_path, 1 << 20)
    kept.flush()
    kept.put(ONE, b"a picture")
    kept.flush()
    files(tmp_path)[0].write_bytes(left)

    assert kept.get(ONE) is None
    kept.put(ONE, b"a picture")
    assert kept.get(ONE) == b"a picture"
    kept.close()


def test_the_longest_unused_go_when_the_room_is_used_up(tmp_path: Path) -> None:
    kept = FileRenditions(tmp_path, 64_000)
    secrets = [bytes([number]) * 32 for number in range(100)]
    for number, secret in enumerate(secrets):
        kept.put(secret, bytes(900))
        kept.flush()
        os.utime(files_by_age(tmp_path)[-1], ns=(number, number))
        if number == 40:
            kept.get(secrets[0])
    kept.flush()
    kept.clear()
    left = [number for number, secret in enumerate(secrets) if kept.get(secret)]

    assert sum(file.stat().st_size for file in files(tmp_path)) <= 64_000
    assert left[0] == 0
    assert left[1:] == list(range(left[1], 100))
    assert left[1] > 30


def files_by_age(folder: Path) -> list[Path]:
    return sorted(files(folder), key=lambda file: file.stat().st_mtime_ns)


def test_what_is_too_large_or_cannot_be_written_is_not_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    small = FileRenditions(tmp_path / "small", 6_400)
    small.put(ONE, bytes(200))
    (tmp_path / "file").write_bytes(b"")
    nowhere = FileRenditions(tmp_path / "file", 1 << 20)
    nowhere.put(ONE, b"a picture")
    nowhere.flush()

    assert (small.get(ONE), nowhere.get(ONE)) == (None, None)
    assert "could not be kept" in caplog.text
    for each in (small, nowhere):
        each.close()


def test_a_disk_that_is_nearly_full_is_left_to_what_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = FileRenditions(tmp_path / "pictures", 1 << 20)
    monkeypatch.setattr("imagebank.storage.renditions._MIN_FREE", 1 << 60)
    kept.put(ONE, b"a picture")
    kept.flush()

    assert kept.get(ONE) is None
    kept.close()


def test_what_comes_faster_than_the_disk_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagebank.storage.renditions._MOST_WAITING", 5)
    kept = FileRenditions(tmp_path / "pictures", 1 << 20)
    kept.put(ONE, b"a picture")

    assert kept.get(ONE) is None
    kept.close()


@pytest.mark.parametrize(("ago_s", "is_noted"), [(3600, True), (5, False)])
def test_a_use_is_noted_once_a_minute(tmp_path: Path, ago_s: int, *, is_noted: bool) -> None:
    kept = FileRenditions(tmp_path, 1 << 20)
    kept.put(ONE, b"a picture")
    kept.flush()
    (file,) = files(tmp_path)
    before = time.time() - ago_s
    os.utime(file, (before, before))
    found = kept.get(ONE)
    kept.close()

    assert found == b"a picture"
    assert (file.stat().st_mtime > before + 1) is is_noted
