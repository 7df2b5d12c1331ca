"""Opening what is kept, whatever its length, with little memory."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bank import keep, open_test_bank
from imagebank.actions import open_file
from imagebank.bank import Bank
from imagebank.errors import Invalid, OutOfSpace
from imagebank.model.access import Scope
from imagebank.model.imaging import Instance, Selection
from make import a_file

LARGE = a_file(rows=3000, columns=3000)
"""Above what is opened in memory."""


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def kept(bank: Bank, file: bytes) -> Instance:
    keep(bank, file)
    (instance,) = bank.index.instances(Selection(), Scope(organizations=None))
    return instance


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process may grow beyond a size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_small_and_a_large_object_are_opened_alike(bank: Bank, tmp_path: Path) -> None:
    with open_test_bank(tmp_path / "other") as other:
        small = a_file()
        opened = [
            open_file.opened(bank, kept(bank, small).location),
            open_file.opened(other, kept(other, LARGE).location),
        ]

        assert [bytes(one) == file for one, file in zip(opened, (small, LARGE), strict=True)] == [True, True]


def test_a_disk_that_is_full_is_said_and_leaves_no_file_behind(bank: Bank) -> None:
    instance = kept(bank, LARGE)
    before = sorted(bank.settings.data.iterdir())
    with files_of_at_most(1 << 20), pytest.raises(OutOfSpace, match="no room"):
        open_file.opened(bank, instance.location)

    assert sorted(bank.settings.data.iterdir()) == before
    assert bytes(open_file.opened(bank, instance.location)) == LARGE


def test_a_large_object_that_is_damaged_is_not_opened(bank: Bank) -> None:
    instance = kept(bank, LARGE)
    (path,) = bank.settings.data.glob(f"objects/*/{instance.location.segment}.seg")
    with path.open("r+b") as segment:
        segment.seek(instance.location.offset + instance.location.size - 1000)
        segment.write(b"damage")

    with pytest.raises(Invalid):
        open_file.opened(bank, instance.location)
