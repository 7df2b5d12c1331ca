"""How pictures look is the same, whichever way it is computed: what older rows say stays comparable."""

import numpy as np
import pytest

from imagebank.dicom import fingerprint, likeness
from imagebank.dicom.digest import digest_of
from imagebank.dicom.layout import Layout


@pytest.mark.parametrize("kind", ["u1", "<u2", "<i2"])
def test_fields_that_are_summed_are_those_that_shares_give_to_the_last_bit(kind: str) -> None:
    whole = np.random.default_rng(1)
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    cells = whole.integers(low, high, (512, 256, 1), endpoint=True).astype(kind)
    grey = cells[..., 0].astype(np.float32)

    assert likeness._is_exact(cells, 512, 256)
    by_shares = (likeness._shares(512) @ grey) @ likeness._shares(256).T
    assert likeness._mean(grey, cells).tobytes() == by_shares.tobytes()


@pytest.mark.parametrize(
    ("shape", "kind"), [((512, 500, 1), "<u2"), ((192, 192, 1), "<u2"), ((2048, 2048, 1), "<u2"), ((512, 512, 3), "u1")]
)
def test_sums_that_could_be_rounded_are_not_taken(shape: tuple[int, int, int], kind: str) -> None:
    assert not likeness._is_exact(np.zeros(shape, kind), shape[0], shape[1])


def test_a_digest_is_that_of_all_values_as_whole_numbers_of_32_bits() -> None:
    cells = np.random.default_rng(2).integers(-2000, 2000, (300, 500, 1)).astype("<i2")
    turned = cells[::-1]

    pieces = b"".join(bytes(piece) for piece in fingerprint.canonical(turned, Layout("", 300, 500)))

    assert digest_of(pieces) == digest_of(np.ascontiguousarray(turned.astype("<i4")).tobytes())
