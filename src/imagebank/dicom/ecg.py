"""An electrocardiogram as it was recorded, whatever file it came in: the values of every lead, and their scale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from imagebank.errors import Invalid, Unsupported

LEADS: Final = {
    "I": "2:1",
    "II": "2:2",
    "III": "2:61",
    "aVR": "2:62",
    "aVL": "2:63",
    "aVF": "2:64",
    "V1": "2:3",
    "V2": "2:4",
    "V3": "2:5",
    "V4": "2:6",
    "V5": "2:7",
    "V6": "2:8",
}
"""The twelve leads in the order in which they are read, and what ISO 11073-10101 calls them (PS3.16 CID 3001)."""
MAX_LEADS: Final = 24
MAX_SAMPLES: Final = 10_000_000
"""Of all leads together; an hour of twelve leads, 200 times a second."""

Lead = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Recording:
    """`samples` has a row for each time and a column for each lead; `microvolts` is what one step of a value means.

    `taken_at` is as `YYYYMMDDHHMMSS`, and empty where the file does not say.
    """

    leads: tuple[str, ...]
    samples: NDArray[np.int16]
    hertz: float
    microvolts: float
    taken_at: str = ""
    said: Mapping[str, str] = field(default_factory=dict)


def recording(
    leads: Sequence[tuple[str, Lead, float]], hertz: float, taken_at: str, said: Mapping[str, str]
) -> Recording:
    """Leads with their values and the microvolts of one step, put together.

    Raises Invalid for leads that do not belong together, Unsupported for what no waveform of DICOM holds.
    """
    known = {name.upper(): name for name in LEADS}
    named = [(known.get(name.upper(), ""), values, step) for name, values, step in leads]
    named = [one for one in named if one[0]]
    named.sort(key=lambda one: list(LEADS).index(one[0]))
    if not named:
        raise Unsupported("it names none of the twelve leads")
    count = min(len(values) for _, values, _ in named)
    if len({name for name, _, _ in named}) != len(named) or not count:
        raise Invalid("a lead of it is there twice, or holds nothing")
    if not 50 <= hertz <= 1000:
        raise Unsupported("it was sampled {hertz:g} times a second; 50 to 1000 are taken", hertz=hertz)
    step = min(step for _, _, step in named)
    columns = [np.rint(values[:count] * (of / step)).astype(np.int64) for _, values, of in named]
    samples = np.stack(columns, axis=1)
    if np.abs(samples).max() > 0x7FFF:
        raise Unsupported("its values are longer than 16 bits")
    return Recording(tuple(name for name, _, _ in named), samples.astype("<i2"), hertz, step, taken_at, said)
