"""What a demonstration shows is in order."""

import io
from itertools import combinations, product
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from bank import open_test_bank
from imagebank import demo
from imagebank.actions import quarantine
from imagebank.dicom import likeness, phantom
from imagebank.dicom.phantom import Phantom
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.imaging import Selection

EVERYTHING = Scope(organizations=None)
KEEPER = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], EVERYTHING)


def test_all_of_the_sample_is_kept_and_none_lies_in_quarantine(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        demo.deposit_sample(bank)
        kept = bank.index.instances(Selection(), EVERYTHING)
        aside = quarantine.listed(bank, KEEPER)

    assert len(kept) == len(demo.BUNDLED) + sum(len(list(phantom.files(one))) for one in demo.SAMPLE)
    assert len({instance.uid for instance in kept}) == len(kept)
    assert aside == []


def test_no_two_exams_of_the_sample_hold_the_same_picture() -> None:
    """Else the first thing to see in the queue would be an alarm about it."""

    def pictures(one: Phantom) -> list[bytes]:
        cells = [dcmread(io.BytesIO(file)).pixel_array for file in phantom.files(one)]
        return [likeness.packed(likeness.small(each[..., None], is_inverse=False)) for each in cells if each.ndim == 2]

    exams = [pictures(one) for one in demo.SAMPLE]

    assert [len(one) for one in exams] == [32, 24, 24, 0]
    for first, second in combinations(exams, 2):
        assert all(likeness.correlation(*pair) < likeness.SAME for pair in product(first, second))


@pytest.mark.parametrize("name", demo.BUNDLED)
def test_a_bundled_file_is_in_pydicoms_wheel_and_does_not_contradict_itself(name: str) -> None:
    path = get_testdata_file(name, download=False)
    assert path is not None
    ds = dcmread(path)

    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    assert ds.file_meta.MediaStorageSOPClassUID == ds.SOPClassUID
    assert len(ds.get("PerFrameFunctionalGroupsSequence", [])) in (0, int(ds.get("NumberOfFrames", 1)))
    if "PixelData" in ds:
        assert ds.pixel_array.size > 0
