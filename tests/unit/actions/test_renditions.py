"""Pictures are made once, and nobody has them any more when the object is gone or its account is shredded."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bank import keep, open_test_bank
from imagebank.actions import renditions, retrieve, shred
from imagebank.bank import Bank
from imagebank.dicom.render import Rendering, Viewport, thumbnail
from imagebank.dicom.sandbox import Sandbox
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.imaging import Instance, Pixels, Selection
from make import a_file

ALL = Scope(organizations=None)


class Counting(Sandbox):
    """The decoders of a bank, and how often they were called."""

    def __init__(self, within: Sandbox) -> None:
        super().__init__(decoders=1)
        self.within, self.calls = within, 0

    def call(self, task: str, header: Mapping[str, Any], *payload: bytes | bytearray | memoryview) -> Any:
        self.calls += 1
        return self.within.call(task, header, *payload)


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[tuple[Bank, Counting]]:
    with open_test_bank(tmp_path) as bank:
        counting = Counting(bank.sandbox)
        yield replace(bank, sandbox=counting), counting


def deposit(bank: Bank, **attributes: Any) -> Instance:
    (receipt,) = keep(bank, a_file(**attributes))
    return retrieve.select(bank, Selection(instance=receipt.uid), ALL)[0]


def test_a_picture_is_made_once_however_the_same_is_asked_for(counted: tuple[Bank, Counting]) -> None:
    bank, decoders = counted
    one = deposit(bank)
    first = renditions.picture(bank, one, Rendering())
    same = [renditions.picture(bank, one, Rendering(frames=(1,))), renditions.kept(bank, one, Rendering())]
    pngs = {renditions.picture(bank, one, Rendering("image/png", quality=quality)) for quality in (70, 90)}
    other = renditions.picture(bank, one, Rendering(quality=10))
    made = decoders.calls
    again = renditions.painted(bank, one, Rendering())

    assert same == [first, first]
    assert (made, len(pngs), other != first) == (3, 1, True)
    assert (again, decoders.calls) == (first, 4)


def test_every_wish_has_a_picture_of_its_own(counted: tuple[Bank, Counting]) -> None:
    bank, _ = counted
    one = deposit(bank, NumberOfFrames=2, PixelData=bytes(range(256)))
    wishes = [
        Rendering("image/png", frames=(1,)),
        Rendering("image/png", frames=(2,)),
        Rendering("image/png", viewport=Viewport(4, 4)),
        Rendering("image/gif"),
        Rendering("image/gif", frames=(1, 2)),
        thumbnail(),
    ]
    made = [renditions.picture(bank, one, wish) for wish in wishes]

    assert [renditions.kept(bank, one, wish) for wish in wishes] == made
    assert renditions.kept(bank, deposit(bank, NumberOfFrames=2, PixelData=bytes(256)), wishes[0]) is None


def test_a_picture_is_gone_with_its_object(counted: tuple[Bank, Counting]) -> None:
    bank, _ = counted
    one, other = deposit(bank), deposit(bank)
    for each in (one, other):
        renditions.picture(bank, each, Rendering())
    bank.blobs.destroy([one.location])

    for ask in (renditions.kept, renditions.picture):
        with pytest.raises(NotFound):
            ask(bank, one, Rendering())
    assert renditions.kept(bank, other, Rendering()) is not None


def test_a_picture_is_gone_with_the_key_of_its_account(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        one = deposit(bank)
        renditions.picture(bank, one, Rendering())
        shred.shred(bank, one.patient, Principal("ann", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL))
        with pytest.raises(NotFound):
            renditions.kept(bank, one, Rendering())
    with open_test_bank(tmp_path) as again, pytest.raises(NotFound):
        renditions.kept(again, one, Rendering())


def test_a_site_may_keep_none_and_what_has_no_pixels_has_no_picture(tmp_path: Path) -> None:
    with open_test_bank(tmp_path, pictures_bytes=0) as bank:
        one = deposit(bank)
        made = renditions.picture(bank, one, Rendering())
        with pytest.raises(Invalid, match="no pixel data"):
            renditions.picture(bank, replace(one, pixels=None), Rendering())

        assert made
        assert renditions.kept(bank, one, Rendering()) is None
        assert not (tmp_path / "bank" / "pictures").exists()


def test_a_look_makes_large_pictures_smaller_and_nothing_larger(counted: tuple[Bank, Counting]) -> None:
    bank, _ = counted
    one = deposit(bank)
    assert one.pixels is not None
    large: Pixels = replace(one.pixels, columns=2048)

    assert renditions.look_at(one, 3) == Rendering(frames=(3,), quality=90)
    assert renditions.look_at(replace(one, pixels=large), 1).viewport == Viewport(1024, 1024)
    assert renditions.representative([one, replace(one, series=one.study)]) is one
