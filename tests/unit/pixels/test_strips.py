"""A picture that is encoded in strips is, to all who decode it, the one that is encoded at once."""

import re
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from imagebank.dicom import strips
from imagebank.dicom.render import Rendering, render
from imagebank.dicom.sandbox import Sandbox
from unit.pixels.pictures import at_once, dcmtk_decoded, image, noise, reference

RESTARTS = re.compile(rb"\xff([\xd0-\xd7])")


def in_strips(cells: NDArray[np.uint8], quality: int = 90) -> bytes:
    return strips.jpeg(cells.shape, lambda start, stop: cells[start:stop], quality)


def decoded(picture: bytes) -> NDArray[Any]:
    return np.asarray(Image.open(BytesIO(picture)))


def restart_interval(picture: bytes) -> int | None:
    """What the picture says in its head (T.81 B.2.4.4)."""
    at, found = 2, None
    while picture[at + 1] != 0xDA:
        if picture[at + 1] == 0xDD:
            (found,) = struct.unpack_from(">H", picture, at + 4)
        at += 2 + int.from_bytes(picture[at + 2 : at + 4])
    return found


@pytest.mark.parametrize(
    ("shape", "quality"),
    [
        ((1025, 1025), 90),
        ((1024, 1031), 100),
        ((1031, 1024), 1),
        ((40_003, 27), 75),
        ((33, 32_001), 90),
        ((1025, 1027, 3), 90),
        ((1039, 1025, 3), 80),
        ((40_001, 27, 3), 60),
        ((35, 31_001, 3), 80),
    ],
)
def test_pixels_are_those_of_a_picture_encoded_at_once(shape: tuple[int, ...], quality: int) -> None:
    cells = noise(*shape)
    picture = in_strips(cells, quality)

    assert restart_interval(picture)
    np.testing.assert_array_equal(decoded(picture), decoded(at_once(cells, quality)))


@pytest.mark.parametrize(
    ("shape", "quality", "units"),
    # Strips of 240 rows, of 128 for the wide one: 30 rows of blocks of eight, 15 and 8 of units of sixteen.
    [
        ((1024, 1031), 90, 129 * 30),
        ((1024, 1031, 3), 90, 129 * 30),
        ((1024, 1031, 3), 89, 65 * 15),
        ((900, 2001, 3), 89, 126 * 8),
    ],
)
def test_markers_stand_where_the_head_says_and_in_their_order(shape: tuple[int, ...], quality: int, units: int) -> None:
    picture = in_strips(noise(*shape), quality)
    across = 16 if quality < 90 else 8
    rows = units // -(-shape[1] // across) * across

    assert restart_interval(picture) == units
    assert [code[0] for code in RESTARTS.findall(picture)] == [0xD0 + n % 8 for n in range(-(-shape[0] // rows) - 1)]
    assert picture.endswith(b"\xff\xd9")


def test_another_toolkit_decodes_strips_without_complaint(tmp_path: Path) -> None:
    cells = noise(1029, 1021)
    ds = pydicom.dcmread(BytesIO(image(cells)))
    ds.PixelData = encapsulate([in_strips(cells)])
    ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    ds.save_as(tmp_path / "strips.dcm")

    shown = reference(dcmtk_decoded(tmp_path / "strips.dcm", tmp_path))
    np.testing.assert_array_equal(shown[0, ..., 0], decoded(at_once(cells)))


@pytest.mark.parametrize("shape", [(512, 512), (1023, 1024), (1, 1), (1023, 1024, 3)])
def test_a_small_picture_stays_in_one_piece(shape: tuple[int, ...]) -> None:
    cells = noise(*shape)

    assert in_strips(cells) == at_once(cells)
    assert in_strips(cells, 80) == at_once(cells, 80)


def test_a_decoder_makes_the_same_bytes_with_all_its_threads(sandbox: Sandbox) -> None:
    cells = noise(1031, 1033).astype(np.uint16) * 16
    asked = Rendering()
    picture = render(sandbox, image(cells, stored=12, WindowCenter=1900, WindowWidth=3000), asked)
    plain = render(sandbox, image(cells, stored=12, WindowCenter=1900, WindowWidth=3000), Rendering("image/png"))

    assert picture == in_strips(decoded(plain))
