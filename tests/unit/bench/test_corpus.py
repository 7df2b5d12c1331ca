"""The corpus of the benchmark: the same bytes for the same seed, and what rows rely on."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from imagebank.bench import corpus
from imagebank.bench.corpus import Corpus
from imagebank.bench.headers import ELEMENTS
from make import read


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return corpus.make(tmp_path_factory.mktemp("corpus"), 1, 0.001)


def digests(of: Corpus, *parts: str) -> list[str]:
    return [hashlib.sha256(item.path.read_bytes()).hexdigest() for part in parts for item in of.of(part)]


def test_a_seed_makes_the_same_bytes_again_and_another_seed_others(made: Corpus, tmp_path: Path) -> None:
    some = ("request", "mr", "small")
    again = corpus.make(tmp_path / "again", 1, 0.001, some)
    other = corpus.make(tmp_path / "other", 2, 0.001, some)

    assert digests(again, *some) == digests(made, *some)
    assert not set(digests(other, *some)) & set(digests(made, *some))


def test_slices_have_headers_as_rich_as_those_of_scanners_and_pixels_that_can_be_compressed(made: Corpus) -> None:
    slices = [read(item.path.read_bytes()) for item in made.of("series")]
    first, second = slices[:2]

    assert {len(ds) for ds in slices} == {ELEMENTS}
    assert (first.Rows, first.Columns) == (512, 512)
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.PixelData != second.PixelData
    assert sum(first[one.tag].value != one.value for one in second) < 12, "most of a header is the same in a series"


def test_an_item_says_what_its_file_holds(made: Corpus) -> None:
    (loop,) = made.of("us")
    ds = read(loop.path.read_bytes())

    assert loop.frames == ds.NumberOfFrames == corpus.LOOP_FRAMES
    assert loop.pixels == hashlib.sha256(ds.PixelData).hexdigest()
    assert loop.frame == hashlib.sha256(ds.PixelData[: 640 * 480 * 3]).hexdigest()
    assert loop.path.read_bytes()[-loop.pixel_bytes :] == ds.PixelData


def test_no_two_files_are_the_same_instance_and_each_sender_has_a_study_of_its_own(made: Corpus) -> None:
    everything = [item for part in made.parts for item in made.of(part)]
    senders = [sender for part, senders in made.parts.items() if part != "small" for sender in senders]

    assert max(Counter(item.instance for item in everything).values()) == 1
    assert all(len({item.study for item in sender}) == 1 for sender in senders)
    assert len({sender[0].study for sender in senders}) == len(senders)
    assert len({item.patient for item in made.of("small")}) == len(made.of("small"))
