"""A process that keeps and destroys records until it is killed, and prints each act when it was acknowledged.

    python segment_writer.py FOLDER SEED [COUNT]

Lines are JSON: {"kept": [segment, offset, length, size], "seed": n} and {"dying": …}, {"destroyed": …}.
"""

import json
import random
import sys
import threading
from dataclasses import astuple
from io import BytesIO
from pathlib import Path

from imagebank.storage.files import FileBlobs
from imagebank.storage.keys import FileKeys

SEGMENT_BYTES, ALONE_BYTES = 24 << 20, 2 << 20
THREADS = 3


def open_blobs(folder: Path) -> FileBlobs:
    keys = FileKeys(folder / "root.key")
    return FileBlobs(folder / "objects", keys, segment_bytes=SEGMENT_BYTES, alone_bytes=ALONE_BYTES)


def content_of(seed: int) -> bytes:
    """What the record of this seed holds: most are small, some take several writes, few have a file of their own."""
    chosen = random.Random(seed)
    largest = chosen.choice([5_000, 70_000, 70_000, 300_000, 1_500_000] if seed % 40 else [3_000_000])
    return chosen.randbytes(chosen.randrange(largest))


def work(blobs: FileBlobs, seed: int, count: int) -> None:
    chosen = random.Random(seed)
    for _ in range(count):
        seeds = [chosen.getrandbits(40) for _ in range(chosen.choice([1, 1, 1, 4]))]
        contents = [content_of(each) for each in seeds]
        locations = [
            blobs.write(BytesIO(content), len(content), b"%d" % each)
            for each, content in zip(seeds, contents, strict=True)
        ]
        blobs.sync(locations)
        for each, location in zip(seeds, locations, strict=True):
            tell(kept=astuple(location), seed=each)
        if chosen.random() < 0.15:
            tell(dying=astuple(locations[0]))
            blobs.destroy(locations[:1])
            tell(destroyed=astuple(locations[0]))


def tell(**line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")  # one write, so that lines of threads do not mix
    sys.stdout.flush()


def main(folder: str, seed: str, count: str = "1000000") -> None:
    blobs = open_blobs(Path(folder))
    threads = [threading.Thread(target=work, args=(blobs, int(seed) * THREADS + n, int(count))) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    blobs.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
