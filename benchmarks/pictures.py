"""What a rendered picture costs: a CT of 512 x 512 and an X-ray of 2,048 x 2,500, made anew and kept.

    python benchmarks/pictures.py [--rounds 40]

One bank in this process and its decoders; printed are milliseconds of the CPU (of this process and of the decoders
together) and by the clock, a picture each, the middle of all rounds.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np

from bank import keep, open_test_bank
from imagebank.actions import renditions, retrieve
from imagebank.bank import Bank
from imagebank.dicom.render import Rendering, Viewport, thumbnail
from imagebank.model.access import Scope
from imagebank.model.imaging import Instance, Selection
from imagebank.model.uid import Uid
from make import a_file

_WISHES = {
    "JPEG": Rendering(frames=(1,)),
    "PNG": Rendering("image/png", frames=(1,)),
    "JPEG, 1024": Rendering(frames=(1,), viewport=Viewport(1024, 1024)),
    "thumbnail": thumbnail(frames=(1,)),
}


def images(rows: int, columns: int, **about: object) -> Iterator[bytes]:
    """A body in noise, as a scanner gives it."""
    random = np.random.default_rng(1)
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    body = 1000 * (x * x + y * y < 0.7) + 300 * np.sin(9 * x) * np.cos(7 * y) + random.normal(0, 15, (rows, columns))
    cells = np.clip(body + 400, 0, 4095).astype("<u2").tobytes()
    yield a_file(Rows=rows, Columns=columns, PixelData=cells, WindowCenter=900, WindowWidth=1800, **about)


def cpu() -> float:
    """Seconds of this process and of its children that still run."""
    times = [time.process_time()]
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii").split():
        fields = Path(f"/proc/{child}/stat").read_text("ascii").rpartition(")")[2].split()
        times.append((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
    return sum(times)


def measure(do: Callable[[], object], rounds: int) -> str:
    do()
    begun, walls = cpu(), []
    for _ in range(rounds):
        at = time.perf_counter()
        do()
        walls.append((time.perf_counter() - at) * 1000)
    return f"CPU {(cpu() - begun) / rounds * 1000:7.2f}   clock {np.median(walls):7.2f}"


def report(bank: Bank, name: str, instance: Instance, rounds: int) -> None:
    for wish, rendering in _WISHES.items():
        made = measure(lambda rendering=rendering: renditions.painted(bank, instance, rendering), rounds)
        kept = measure(lambda rendering=rendering: renditions.picture(bank, instance, rendering), rounds)
        print(f"{name:4} {wish:12} anew {made}   kept {kept}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder, open_test_bank(Path(folder)) as bank:
        for name, size in (("CT", (512, 512)), ("DX", (2500, 2048))):
            receipt = keep(bank, *images(*size, Modality=name))[0]
            instance = retrieve.select(bank, Selection(instance=Uid(receipt.uid)), Scope(organizations=None))[0]
            report(bank, name, instance, rounds)


if __name__ == "__main__":
    main()
