"""What knowing pictures again is worth, and what it costs: recall, precision, time of a slice, time of a look-up.

    python benchmarks/pixels.py [FOLDER] [--rows 1000000] [--slices 40]

FOLDER is one of DICOM files, that of the tests without it. Recall: each telling picture is coded anew (JPEG at quality
50 after scaling to 8 bits, JPEG 2000 with loss at 60 dB, made smaller to nine tenths, windowed to its middle nine
tenths) and has to be found by its look and its comparison. Precision: every two slices of the series of heads and
brains are two pictures, however alike neighbours are. Cost: a CT slice of 512 x 512 in a bank, decoded in its sandbox.
Look-up: one look among so many made-up ones in SQLite, half of them in scope.
"""

import argparse
import io
import itertools
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image
from sqlalchemy import insert

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from bank import keep, open_test_bank
from contracts.indexes import opened
from imagebank.actions import pixels
from imagebank.dicom import likeness
from imagebank.dicom.codec import decode
from imagebank.dicom.fingerprint import canonical
from imagebank.dicom.layout import frame_count, frames_of, layout_of
from imagebank.dicom.read import normalise
from imagebank.errors import BankError
from imagebank.model.access import Scope
from imagebank.model.imaging import Selection
from imagebank.model.picture import NEAR, Fingerprint, bands, distance
from imagebank.model.uid import Uid
from imagebank.storage import tables
from make import a_series
from samples import sample_data

ALL = Scope(organizations=None)
DISTINCT = ("ct-head", "mr-brain")
"""Folders in which every file is a picture of its own."""


@dataclass(frozen=True)
class Picture:
    name: str
    grey: Any
    small: bytes
    look: int


def picture(name: str, cells: Any, *, is_inverse: bool) -> Picture | None:
    """A picture as the bank knows it again; None where there is too little in it."""
    small = likeness.small(cells, is_inverse=is_inverse)
    if not likeness.is_telling(small):
        return None
    grey = cells.astype(np.float32)
    grey = grey @ np.array([0.299, 0.587, 0.114], np.float32) if cells.shape[2] == 3 else grey[..., 0]
    return Picture(name, -grey if is_inverse else grey, likeness.packed(small), likeness.look(small))


def pictures(folder: Path) -> Iterator[Picture]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and "malformed" not in str(path)):
        try:
            data, header = normalise(path.read_bytes())
            layout = layout_of(data, header)
            frame = frames_of(data, header, layout, [(frame_count(data, header) + 1) // 2])[0]
            cells = canonical(decode(frame, layout), layout)
        except (BankError, ValueError, RuntimeError):
            continue
        found = picture(
            str(path.relative_to(folder)), np.nan_to_num(cells), is_inverse=layout.photometric == "MONOCHROME1"
        )
        if found is not None and min(found.grey.shape) >= 16:
            yield found


def _scaled(grey: Any, top: int) -> Any:
    return (grey - grey.min()) / max(float(np.ptp(grey)), 1e-9) * top


def _jpeg(grey: Any) -> Any:
    with io.BytesIO() as stream:
        Image.fromarray(_scaled(grey, 255).astype(np.uint8)).save(stream, "JPEG", quality=50)
        return np.asarray(Image.open(stream))


def _j2k(grey: Any) -> Any:
    return imagecodecs.jpeg2k_decode(imagecodecs.jpeg2k_encode(_scaled(grey, 4095).astype(np.uint16), level=60))


def _smaller(grey: Any) -> Any:
    size = [max(16, side * 9 // 10) for side in reversed(grey.shape)]
    return np.asarray(Image.fromarray(grey.astype(np.float32)).resize(size, Image.Resampling.BICUBIC))


def _windowed(grey: Any) -> Any:
    return np.clip(grey, *np.percentile(grey, (5, 95)))


ANEW: dict[str, Callable[[Any], Any]] = {
    "JPEG, quality 50": _jpeg,
    "JPEG 2000, 60 dB": _j2k,
    "nine tenths of the size": _smaller,
    "windowed to 5 to 95 %": _windowed,
}


def is_found(one: Picture, small: Any) -> tuple[bool, bool]:
    """Whether the look is near, and whether the comparison says that it is the same, too."""
    is_near = distance(one.look, likeness.look(small)) <= NEAR
    return is_near, is_near and likeness.correlation(one.small, likeness.packed(small)) >= likeness.SAME


def recall(known: list[Picture]) -> None:
    print(f"{len(known)} telling pictures; found by the look, and by look and comparison:")
    for name, code in ANEW.items():
        found = [is_found(one, likeness.small(code(one.grey)[..., None], is_inverse=False)) for one in known]
        shares = [100 * sum(each) / len(found) for each in zip(*found, strict=True)]
        print(f"  {name}: {shares[0]:.1f} %, {shares[1]:.1f} %")


def precision(known: list[Picture]) -> None:
    slices = [one for one in known if one.name.startswith(DISTINCT)]
    pairs = list(itertools.combinations(slices, 2))
    near = [(one, other) for one, other in pairs if distance(one.look, other.look) <= NEAR]
    same = [(one, other) for one, other in near if likeness.correlation(one.small, other.small) >= likeness.SAME]
    across = [1 for one, other in same if one.name.split("/")[0] != other.name.split("/")[0]]
    print(
        f"{len(pairs)} pairs of {len(slices)} distinct slices: {len(near)} have near looks, {len(same)} count as one,"
    )
    print(f"  {len(across)} of them in two studies")


def cost(slices: int) -> None:
    """The time of one slice in a bank, and of reading it alone."""
    with tempfile.TemporaryDirectory() as folder, open_test_bank(Path(folder)) as bank:
        noise = np.random.default_rng(1).integers(0, 4096, (512, 512), dtype=np.uint16)
        keep(bank, *a_series(slices, rows=512, columns=512, PixelData=noise.tobytes()))
        instances = bank.index.instances(Selection(), ALL)
        pixels.see(bank, instances[0])
        took = []
        for one in instances:
            began = time.perf_counter()
            pixels.see(bank, one)
            took.append(1000 * (time.perf_counter() - began))
    print(f"a CT slice of 512 x 512: {statistics.median(took):.1f} ms (median of {slices})")


def look_up(rows: int) -> None:
    """The time of one look-up among made-up looks."""
    chance = random.Random(1)  # noqa: S311 - made-up looks
    with tempfile.TemporaryDirectory() as folder, opened(f"sqlite:///{folder}/index.db") as index:
        with index._database.writing() as connection:  # noqa: SLF001 - written straight into the tables
            connection.execute(insert(tables.patient).values(id=1, issuer="x", identifier="x"))
            for number, organization in ((1, "north"), (2, "south")):
                study = {"id": number, "patient_row": 1, "organization": organization}
                connection.execute(insert(tables.study).values(**study, study_instance_uid=f"1.{number}"))
                series = {"id": number, "study_row": number, "series_instance_uid": f"1.{number}.1"}
                connection.execute(insert(tables.series).values(**series))
            plain = dict.fromkeys(
                ("segment_id", "segment_offset", "length", "size", "dataset_offset", "received_at"), 0
            )
            plain |= {"digest": b"", "content_digest": b""}
            for first in range(0, rows, 50_000):
                some = range(first, min(first + 50_000, rows))
                places = [{"id": n, "series_row": n % 2 + 1, "sop_instance_uid": f"1.9.{n}", **plain} for n in some]
                connection.execute(insert(tables.instance), places)
                connection.execute(insert(tables.fingerprint), [_made_up(number, chance) for number in some])
            connection.exec_driver_sql("ANALYZE")
        took = []
        for _ in range(100):
            look = Fingerprint(b"no such", chance.getrandbits(64), is_telling=True)
            began = time.perf_counter()
            index.pictures.alike(look, Uid("9.9"), Scope.of("north"), 64)
            took.append(1000 * (time.perf_counter() - began))
    took.sort()
    print(f"a look among {rows}: {took[49]:.1f} ms (median), {took[94]:.1f} ms (95 %)")


def _made_up(number: int, chance: random.Random) -> dict[str, Any]:
    look = chance.getrandbits(64)
    parts = {f"band_{place}": part for place, part in enumerate(bands(look))}
    signed = look - (1 << 64 if look >> 63 else 0)
    return {"instance_row": number, "digest": number.to_bytes(32), "look": signed, "is_telling": 1, **parts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--slices", type=int, default=40)
    given = parser.parse_args()
    known = list(pictures(given.folder or sample_data()))
    recall(known)
    precision(known)
    cost(given.slices)
    look_up(given.rows)


if __name__ == "__main__":
    main()
