"""Waveforms as curves."""

import base64
from typing import Any

import numpy as np
import pytest

from imagebank.errors import Invalid, Unsupported
from imagebank.portal import waveform


def a_waveform(
    samples: Any,
    *,
    unit: str = "uV",
    rate: float = 500,
    kind: str = "SS",
    channels: int = 1,
    sensitivity: float = 2.0,
) -> dict[str, Any]:
    channel = {
        "003A0208": {"vr": "SQ", "Value": [{"00080104": {"vr": "LO", "Value": ["Lead II"]}}]},
        "003A0210": {"vr": "DS", "Value": [sensitivity]},
        "003A0211": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": [unit]}}]},
    }
    data = np.asarray(samples, "<i2").tobytes()
    group = {
        "003A001A": {"vr": "DS", "Value": [rate]},
        "003A0005": {"vr": "US", "Value": [channels]},
        "003A0010": {"vr": "UL", "Value": [len(samples)]},
        "003A0200": {"vr": "SQ", "Value": [channel] * channels},
        "54001006": {"vr": "CS", "Value": [kind]},
        "54001010": {"vr": "OW", "InlineBinary": base64.b64encode(data).decode()},
    }
    return {"54000100": {"vr": "SQ", "Value": [group]}}


def no_bulk(uri: str) -> bytes:
    raise AssertionError(uri)


def points(curve: waveform.Curve) -> list[tuple[float, float]]:
    pairs = [pair.split(",") for pair in curve.points.split()]
    return [(float(x), float(y)) for x, y in pairs]


def test_a_millivolt_is_ten_millimetres_and_a_second_twenty_five() -> None:
    (strip,) = waveform.strips(a_waveform([0] * 500 + [500] * 501), no_bulk)

    drawn = points(strip.curves[0])
    assert strip.is_electric
    assert strip.curves[0].name == "II"
    assert drawn[0] == (0.0, 0.0)
    assert drawn[-1] == (50.0, -10.0)


def test_no_peak_is_lost_by_thinning() -> None:
    samples = [0] * 10_000
    samples[4_321] = 500

    (strip,) = waveform.strips(a_waveform(samples), no_bulk)

    drawn = points(strip.curves[0])
    assert len(drawn) < 2_500
    assert min(y for _, y in drawn) == -10


def test_other_units_fill_the_space_of_a_lead() -> None:
    (strip,) = waveform.strips(a_waveform([0, 100], unit="mm[Hg]"), no_bulk)

    assert not strip.is_electric
    assert [y for _, y in points(strip.curves[0])] == [10, -10]


def test_large_values_are_read_where_the_metadata_says() -> None:
    attributes = a_waveform([0, 500])
    attributes["54000100"]["Value"][0]["54001010"] = {"vr": "OW", "BulkDataURI": "/b"}

    (strip,) = waveform.strips(attributes, {"/b": np.asarray([0, 500], "<i2").tobytes()}.__getitem__)

    assert len(points(strip.curves[0])) == 2


def test_a_waveform_that_is_shorter_than_it_says_is_drawn_as_far_as_it_goes() -> None:
    attributes = a_waveform([0, 500])
    attributes["54000100"]["Value"][0]["003A0010"]["Value"] = [4_000_000_000]

    (strip,) = waveform.strips(attributes, no_bulk)

    assert len(points(strip.curves[0])) == 2


@pytest.mark.parametrize(
    ("change", "error"),
    [
        *(({"kind": "MB"}, Unsupported), ({"channels": 0}, Invalid), ({"channels": 1000}, Invalid)),
        *(({"rate": rate}, Invalid) for rate in (0, 1e308, 1e-308)),
        *(({"sensitivity": value}, Invalid) for value in (1e308, -1e306)),
    ],
)
def test_what_cannot_be_drawn_is_said(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        waveform.strips(a_waveform([0, 1], **change), no_bulk)
