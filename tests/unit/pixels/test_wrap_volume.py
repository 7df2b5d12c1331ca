"""Volumes of research (NIfTI) become slices that lie as radiologists look at them, with every value that fits."""

import gzip
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydicom
import pytest

from checked import errors_of
from imagebank.dicom.kind import HEAD, kind_of
from imagebank.dicom.sandbox import Sandbox
from imagebank.dicom.wrap import wrap
from imagebank.errors import Invalid
from imagebank.model.person import PatientId
from imagebank.model.upload import About
from make_nifti import RIGHT_FRONT_UP, a_nifti
from samples import sample_data

NOW = datetime(2026, 11, 5, 8, 30, tzinfo=UTC)
ANA = About(PatientId("", "4711"), "Diaz^Ana")
CELLS = np.arange(2 * 3 * 4).reshape(2, 3, 4)


def made(sandbox: Sandbox, data: bytes, folder: Path) -> pydicom.Dataset:
    """The object, which has no error."""
    file = wrap(sandbox, data, kind_of(data[:HEAD]), ANA, NOW).file
    (folder / "one.dcm").write_bytes(file)

    assert errors_of(folder / "one.dcm") == []
    return pydicom.dcmread(io.BytesIO(file))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2"])
def test_slices_have_the_values_of_the_volume(
    sandbox: Sandbox, order: Literal["<", ">"], version: int, dtype: str, tmp_path: Path
) -> None:
    cells = CELLS.astype(dtype) * (300 if dtype != "u1" else 1)
    instance = made(sandbox, a_nifti(cells, order=order, version=version, words=b"knee of a volunteer"), tmp_path)

    assert np.array_equal(instance.pixel_array, cells)
    assert instance.ImageComments == "knee of a volunteer"
    assert instance.NumberOfFrames == 2
    assert instance.PixelSpacing == [0.75, 0.5]
    assert "PatientOrientation" not in instance or not instance.PatientOrientation


def test_the_volume_of_the_samples_is_read_as_it_comes(sandbox: Sandbox, tmp_path: Path) -> None:
    (path,) = sample_data().rglob("*.nii.gz")
    instance = made(sandbox, path.read_bytes(), tmp_path)

    assert instance.SOPClassUID.startswith("1.2.840.10008.5.1.4.1.1.7.")
    assert instance.DerivationDescription.startswith("made of a NIfTI volume")


def test_a_pressed_one_is_the_same(sandbox: Sandbox, tmp_path: Path) -> None:
    volume = a_nifti(CELLS.astype("u2"))

    assert np.array_equal(made(sandbox, gzip.compress(volume), tmp_path).pixel_array, CELLS)


def real(instance: pydicom.Dataset) -> Any:
    """The values that the description says how to have back."""
    words = instance.DerivationDescription.split()
    factor, more = (float(words[8]), float(words[-1])) if "times" in words else (1.0, 0.0)
    return instance.pixel_array * factor + more


@pytest.mark.parametrize(
    ("cells", "scale"),
    [
        ((CELLS - 12).astype("i1"), (0, 0)),
        (((CELLS - 12) * 1000).astype("i2"), (0.5, 3)),
        ((CELLS * 100_000).astype("i4"), (0, 0)),
        (CELLS.astype("f4") / 7 - 1, (2, 0)),
        ((CELLS[:1, :1] * 0 + 5).astype("f8"), (0, 0)),
    ],
)
def test_what_does_not_fit_is_moved_or_scaled_and_it_says_how(
    sandbox: Sandbox, cells: Any, scale: tuple[float, float], tmp_path: Path
) -> None:
    instance = made(sandbox, a_nifti(cells, scale=scale), tmp_path)
    wanted = cells.astype(float) * (scale[0] or 1) + scale[1]

    assert np.allclose(real(instance).reshape(wanted.shape), wanted, atol=np.ptp(wanted) / 60_000 + 1e-6)


def test_what_is_no_number_is_shown_as_the_least(sandbox: Sandbox, tmp_path: Path) -> None:
    cells = np.array([[[np.nan, 1.0], [2.0, np.inf]]], "f4")

    assert made(sandbox, a_nifti(cells), tmp_path).pixel_array.ravel().tolist() == [0, 0, 65535, 65535]


def test_volumes_that_follow_one_another_are_one_row_of_slices(sandbox: Sandbox, tmp_path: Path) -> None:
    cells = np.arange(2 * 2 * 3 * 4).reshape(2, 2, 3, 4).astype("u2")

    assert np.array_equal(made(sandbox, a_nifti(cells), tmp_path).pixel_array, cells.reshape(4, 3, 4))


def test_colour_stays_colour(sandbox: Sandbox, tmp_path: Path) -> None:
    cells = np.arange(2 * 3 * 4 * 3).reshape(2, 3, 4, 3).astype("u1")

    assert np.array_equal(made(sandbox, a_nifti(cells), tmp_path).pixel_array, cells)


AXIAL = RIGHT_FRONT_UP
SAGITTAL = ((0, 0, 1.0, 0), (1.0, 0, 0, 0), (0, 1.0, 0, 0))
CORONAL = ((-1.0, 0, 0, 0), (0, 0, 1.0, 0), (0, 1.0, 0, 0))
UPSIDE_DOWN = ((0, -1.0, 0, 0), (-1.0, 0, 0, 0), (0, 0, 1.0, 0))


@pytest.mark.parametrize(
    ("sform", "letters", "wanted"),
    [
        (AXIAL, ["L", "P"], CELLS[:, ::-1, ::-1]),
        (SAGITTAL, ["P", "F"], CELLS[:, ::-1, ::-1]),
        (CORONAL, ["L", "F"], CELLS[:, ::-1]),
        (UPSIDE_DOWN, ["L", "P"], CELLS.swapaxes(1, 2)),
    ],
)
def test_slices_lie_as_they_are_looked_at(
    sandbox: Sandbox, sform: Any, letters: list[str], wanted: Any, tmp_path: Path
) -> None:
    instance = made(sandbox, a_nifti(CELLS.astype("u2"), sform=sform), tmp_path)

    assert instance.PatientOrientation == letters
    assert np.array_equal(instance.pixel_array, wanted)


def test_a_turn_tells_as_much_as_a_matrix(sandbox: Sandbox, tmp_path: Path) -> None:
    # A half turn about the way up: what grew to the right and to the front grows to the left and to the back.
    instance = made(sandbox, a_nifti(CELLS.astype("u2"), qform=(1.0, 0, 0, 1.0)), tmp_path)

    assert instance.PatientOrientation == ["L", "P"]
    assert np.array_equal(instance.pixel_array, CELLS)


@pytest.mark.parametrize(
    ("at", "value", "why"),
    [(70, 32, "complex"), (344, int.from_bytes(b"ni", "little"), "two files"), (46, 30_000, "30000 slices")],
)
def test_one_that_is_not_read_is_a_page_that_says_so(
    sandbox: Sandbox, at: int, value: int, why: str, tmp_path: Path
) -> None:
    data = bytearray(a_nifti(CELLS.astype("u2")))
    data[at : at + 2] = value.to_bytes(2, "little")
    page = made(sandbox, bytes(data), tmp_path).EncapsulatedDocument

    assert why in page.decode()


def test_a_volume_that_is_larger_than_anything_when_unpacked_is_not_unpacked(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bomb = gzip.compress(a_nifti(CELLS.astype("u2")) + bytes(300 << 20), 1)

    assert "256 MiB" in made(sandbox, bomb, tmp_path).EncapsulatedDocument.decode()


@pytest.mark.parametrize("cut", [351, 360])
def test_a_broken_one_is_refused(sandbox: Sandbox, cut: int) -> None:
    volume = a_nifti(CELLS.astype("u2"))
    for data in (volume[:cut], gzip.compress(volume)[:-20]):
        with pytest.raises(Invalid):
            wrap(sandbox, data, kind_of(volume), ANA, NOW)


def test_a_volume_of_no_number_at_all_is_refused(sandbox: Sandbox) -> None:
    volume = a_nifti(np.full((1, 2, 2), np.nan, "f4"))
    with pytest.raises(Invalid, match="none of its values"):
        wrap(sandbox, volume, kind_of(volume), ANA, NOW)
