"""Content of any size passes through with little memory."""

import subprocess
import sys
from pathlib import Path

import pytest

FILES = "from imagebank.storage.files import FileBlobs; blobs = FileBlobs(folder / 'objects', keys)"
OBJECTS = (
    "from obstore.store import LocalStore; from imagebank.storage.s3 import ObjectBlobs;"
    "blobs = ObjectBlobs(LocalStore(folder / 'bucket', mkdir=True), keys)"
)
PASS_THROUGH = """
import resource, sys
from pathlib import Path
from imagebank.storage.keys import FileKeys

class Zeros:
    def read(self, size=-1):
        return bytes(size)

folder = Path(sys.argv[1])
keys = FileKeys(folder / "root.key")
{opening}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
size = 400 << 20
location = blobs.write(Zeros(), size, b"note")
blobs.sync([location])
assert sum(len(piece) for piece in blobs.stream(location)) == size
assert [record.fault for record in blobs.records()] == [""]
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


@pytest.mark.parametrize("opening", [FILES, OBJECTS], ids=["files", "objects"])
def test_a_large_object_takes_little_memory(tmp_path: Path, opening: str) -> None:
    program = PASS_THROUGH.format(opening=opening)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 120  # MiB, of 400
