"""TAR archives and compressed files: every entry is an object or refused, and none costs more than it may."""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank.actions import archives, collect
from imagebank.actions.ingest import Arrival
from imagebank.bank import Bank
from imagebank.model.imaging import Outcome, Receipt
from make import a_file, a_series
from unit.actions.test_collect import bring_in, reasons

PACKERS: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def a_tar(*entries: tuple[str, bytes] | tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    with io.BytesIO() as stream:
        with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
            for entry in entries:
                if isinstance(entry, tarfile.TarInfo):
                    archive.addfile(entry)
                    continue
                about = tarfile.TarInfo(entry[0])
                about.size = len(entry[1])
                archive.addfile(about, io.BytesIO(entry[1]))
        return stream.getvalue()


def a_link(name: str, target: str) -> tarfile.TarInfo:
    about = tarfile.TarInfo(name)
    about.type, about.linkname = tarfile.SYMTYPE, target
    return about


def a_folder(name: str) -> tarfile.TarInfo:
    about = tarfile.TarInfo(name)
    about.type = tarfile.DIRTYPE
    return about


def found(path: Path) -> list[Arrival | Receipt]:
    contents = archives.contents_of(path)
    assert contents is not None
    return list(contents)


def why(one: Arrival | Receipt) -> str:
    return str(one.error) if isinstance(one, Receipt) else ""


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.tar", bytes),
        ("a.TGZ", gzip.compress),
        ("a.tar.gz", gzip.compress),
        ("a.gz", gzip.compress),
        ("a.tar.bz2", bz2.compress),
        ("a.tbz2", bz2.compress),
        ("a.tar.xz", lzma.compress),
        ("a.txz", lzma.compress),
    ],
)
def test_every_entry_of_a_tar_is_an_object_or_refused(
    bank: Bank, tmp_path: Path, name: str, pack: Callable[[bytes], bytes], form: int
) -> None:
    long_name = "/".join(["folder"] * 14) + "/" + "n" * 60
    files = [(name, a_file()) for name in ("D/1", "../../2", long_name)]
    path = tmp_path / name
    path.write_bytes(pack(a_tar(a_folder("D"), *files, a_link("ln", "D/1"), ("readme", b"hello"), form=form)))
    tally = bring_in(bank, collect.look([path]))

    assert tally.outcomes == {Outcome.STORED: 3, Outcome.REFUSED: 2}
    assert set(reasons(tally)) == {"ln", "readme"}
    assert "no plain file" in reasons(tally)["ln"]
    assert not (tmp_path.parent / "2").exists()


@pytest.mark.parametrize("kind", PACKERS)
def test_a_compressed_file_is_the_object_in_it(bank: Bank, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"one.dcm.{kind}"
    path.write_bytes(PACKERS[kind](a_file()))
    tally = bring_in(bank, collect.look([path]))

    assert tally.outcomes == {Outcome.STORED: 1}
    (arrival,) = found(path)
    assert arrival.name.endswith(f"one.dcm.{kind}!/one.dcm")


@pytest.mark.parametrize("cut", [0, 300, 8192])
@pytest.mark.parametrize("rows", [8, 700])
def test_xz_streams_that_follow_one_another_are_read_to_the_end(tmp_path: Path, cut: int, rows: int) -> None:
    path, file = tmp_path / "one.xz", a_file(rows=rows, columns=rows)
    path.write_bytes(lzma.compress(file[:cut]) + bytes(4) + lzma.compress(file[cut:]))

    (arrival,) = found(path)
    assert isinstance(arrival, Arrival)
    assert arrival.content.read() == file


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("is_tar", [True, False])
def test_what_ends_too_early_is_refused_and_what_came_before_is_kept(
    tmp_path: Path, kind: str, *, is_tar: bool
) -> None:
    first, second = a_series(2)
    packed = PACKERS[kind](a_tar(("1", first), ("2", second)) if is_tar else first)
    path = tmp_path / f"a.{kind}"
    path.write_bytes(packed[: len(packed) * 3 // 4])

    *_, last = found(path)
    assert "cannot be read" in why(last)


def test_a_damaged_header_is_said_and_not_taken_for_the_end(tmp_path: Path) -> None:
    content = bytearray(a_tar(("1", b"one"), ("2", b"two"), ("3", b"three")))
    content[1024 + 10] ^= 0xFF
    path = tmp_path / "a.tar"
    path.write_bytes(content)

    first, second = found(path)
    assert first.name.endswith("!/1")
    assert "a header is damaged" in why(second)
    assert "not read" in why(second)


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("is_tar", [True, False])
def test_what_expands_beyond_reason_is_refused_before_it_fills_the_memory(
    tmp_path: Path, kind: str, *, is_tar: bool
) -> None:
    content = bytes(24 << 20)
    path = tmp_path / f"a.{kind}"
    path.write_bytes(PACKERS[kind](a_tar(("bomb", content)) if is_tar else content))

    (one,) = found(path)
    assert "more than 200 times" in why(one)


def test_a_header_without_an_end_is_refused(tmp_path: Path) -> None:
    endless = tarfile.TarInfo("x" * (5 << 20))
    path = tmp_path / "a.tar"
    path.write_bytes(a_tar(("1", b"one"), endless))

    first, second = found(path)
    assert first.name.endswith("!/1")
    assert "too large" in why(second)


def test_a_large_entry_is_refused_and_the_next_one_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MAX_ENTRY_BYTES", 1 << 20)  # half a gigabyte takes long to write
    path = tmp_path / "a.tar"
    path.write_bytes(a_tar(("1", bytes(9 << 20)), ("2", b"two")))

    first, second = found(path)
    assert "unpack it first" in why(first)
    assert isinstance(second, Arrival)


def test_no_more_entries_are_read_than_any_real_archive_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_MAX_ENTRIES", 2)
    path = tmp_path / "a.tar"
    path.write_bytes(a_tar(*((str(number), b"x") for number in range(5))))

    *kept, last = found(path)
    assert len(kept) == 2
    assert "first 2 entries" in why(last)


@pytest.mark.parametrize("name", ["a.gz", "a.tar", "a.zip"])
def test_a_file_that_has_the_name_of_an_archive_is_a_file(bank: Bank, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no archive")
    tally = bring_in(bank, collect.look([tmp_path / name]))

    assert set(reasons(tally)) == {name}


@pytest.mark.parametrize("name", ["a.7z", "a.rar", "a.tar.zst", "a.ISO"])
def test_an_archive_of_another_kind_is_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"7z\xbc\xaf" + bytes(600))

    (one,) = found(path)
    assert "make a ZIP or TAR" in why(one)


@pytest.mark.parametrize("name", ["a.gz", "a.tar", "a.zip", "a.7z", "a.dcm"])
def test_an_object_is_one_whatever_its_name(bank: Bank, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(a_file())

    assert archives.contents_of(tmp_path / name) is None
    assert bring_in(bank, collect.look([tmp_path / name])).outcomes == {Outcome.STORED: 1}
