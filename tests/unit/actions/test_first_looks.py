"""What is seen first of a study is painted first, and what cannot be painted stops nothing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bank import keep, open_test_bank
from imagebank.actions import first_looks, renditions, retrieve
from imagebank.bank import Bank
from imagebank.dicom.render import Rendering, Viewport, thumbnail
from imagebank.model.access import Scope
from imagebank.model.imaging import Instance, Selection
from imagebank.model.uid import Uid
from make import a_file, a_series

ALL = Scope(organizations=None)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def study(bank: Bank, *files: bytes) -> list[Instance]:
    keep(bank, *files)
    return bank.index.instances(Selection(study=Uid("1.2")), ALL)


def test_a_series_is_gone_through_as_its_stills_together_and_each_film_by_itself(bank: Bank) -> None:
    about = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.1"}
    film = a_file(NumberOfFrames=3, PixelData=bytes(384), InstanceNumber=9, **about)
    members = study(bank, *a_series(2, **about), film)
    stills, alone = first_looks.stacks(members)

    assert (len(stills), len(alone)) == (2, 1)
    assert first_looks.stacks(list(alone)) == [alone]
    assert list(first_looks.wanted([])) == []


def test_the_middle_of_the_largest_stack_comes_first_and_what_lies_ahead_last(bank: Bank) -> None:
    about = {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.1"}
    film = a_file(NumberOfFrames=30, PixelData=bytes(128 * 30), StudyInstanceUID="1.2", SeriesInstanceUID="1.2.2")
    members = study(bank, *a_series(3, **about), film)
    stills, loop = members[:3], members[3]
    found = list(first_looks.wanted(members))

    assert found[0] == (stills[1], thumbnail(Viewport(128, 128)))
    assert found[1:3] == [(loop, Rendering(frames=(15,))), (stills[1], Rendering(frames=(1,)))]
    assert [one for one, _ in found[3:5]] == [stills[1], loop]
    assert [wish.frames for _, wish in found[5:]] == [(number,) for number in range(16, 24)]


def test_pictures_are_kept_as_far_as_is_wanted_and_what_cannot_be_painted_is_passed_over(bank: Bank) -> None:
    torn = a_file(PixelData=bytes(8), StudyInstanceUID="1.2", SeriesInstanceUID="1.2.0")
    members = study(bank, torn, *a_series(3, StudyInstanceUID="1.2", SeriesInstanceUID="1.2.1"))
    made, octets = first_looks.make(bank, [*members, replace(members[0], pixels=None)], 9)
    shown = retrieve.select(bank, Selection(series=Uid("1.2.1")), ALL)[1]

    assert renditions.kept(bank, shown, renditions.look_at(shown, 1))
    assert (made, octets > 0) == (3, True)
    assert first_looks.make(bank, members, 0) == (0, 0)
