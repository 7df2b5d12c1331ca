"""Archives take turns, and one that answers wrongly is found out: a fast error wins nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagebank.bench import work as working
from imagebank.bench.archives import Archive
from imagebank.bench.asking import Wrong
from imagebank.bench.corpus import Corpus
from imagebank.bench.rounds import Results, measure
from imagebank.bench.rows import Row
from imagebank.bench.work import Reading, Work, matches, parts, same

BOUNDARY = 'multipart/related; type="application/dicom"; boundary=a-b'


def an_archive(name: str) -> Callable[[Path], object]:
    @contextmanager
    def opened(folder: Path) -> Iterator[Archive]:
        folder.mkdir()
        yield Archive(name, "1", "as it is", 1, 1, "X", {}, (folder,), (), 1)

    return opened


def measured(tmp_path: Path, *rows: Callable[[Work], Reading], runs: int = 2) -> tuple[Results, list[str]]:
    told: list[str] = []
    named = [Row(f"row-{number}", "words", "ms", 1, one) for number, one in enumerate(rows)]
    openings = [an_archive("ours"), an_archive("theirs")]
    corpus = Corpus(tmp_path, 1, 1.0, {})
    found = measure(openings, named, corpus, tmp_path, runs=runs, seconds=0, told=told.append)
    return found, [line.partition(": ")[2] for line in told if "row-" in line]


@pytest.fixture(autouse=True)
def _quiet_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "_QUIET_S", 0.01)


def test_archives_take_turns_row_by_row_and_who_begins_alternates(tmp_path: Path) -> None:
    _, told = measured(tmp_path, lambda _: Reading(1, 1), lambda _: Reading(2, 1))

    first = ["row-0, ours", "row-0, theirs", "row-1, theirs", "row-1, ours"]
    second = ["row-0, theirs", "row-0, ours", "row-1, ours", "row-1, theirs"]
    assert told == first + second


def test_an_archive_that_answers_wrongly_has_no_value_and_the_others_go_on(tmp_path: Path) -> None:
    def one(work: Work) -> Reading:
        same("matches of a search", 1, 0 if work.archive.name == "theirs" else 1)
        return Reading(5, 1)

    results, _ = measured(tmp_path, one, lambda _: Reading(7, 1), runs=3)

    assert results.rows["row-0"]["ours"].median == 5
    assert results.rows["row-0"]["theirs"].median is None
    assert results.rows["row-0"]["theirs"].wrong == "matches of a search: 0 instead of 1"
    assert results.rows["row-1"]["theirs"].values == [7, 7, 7]


@pytest.mark.parametrize("before", [b"", b"\r\n", b"a preamble\r\n"])
def test_parts_of_an_answer_are_found_however_it_begins(tmp_path: Path, before: bytes) -> None:
    body = tmp_path / "body"
    part = b"--a-b\r\nContent-Type: application/dicom\r\n\r\n"
    body.write_bytes(before + part + b"one\r\n\r\n\0" + b"\r\n" + part + b"--two" + b"\r\n--a-b--\r\n")

    assert list(parts(body, BOUNDARY)) == [b"one\r\n\r\n\0", b"--two"]


def test_what_cannot_be_read_is_wrong(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_text("<html>busy</html>")

    with pytest.raises(Wrong, match="no JSON"):
        matches(body)
    with pytest.raises(Wrong, match="no boundary"):
        next(parts(body, "text/html"))
    body.write_text('{"error": 1}')
    with pytest.raises(Wrong, match="no list"):
        matches(body)
