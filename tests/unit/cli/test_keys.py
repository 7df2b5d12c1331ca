"""`imagebank keys`."""

import json
from pathlib import Path

import pytest

from make import a_file
from running import imagebank


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A bank of the organization `local` with one object each of Ada and Bob."""
    for name in ("ADA", "BOB"):
        (tmp_path / f"{name}.dcm").write_bytes(a_file(PatientID=name))
    files = [tmp_path / "ADA.dcm", tmp_path / "BOB.dcm"]
    assert imagebank("import", *files, "--data", tmp_path / "bank").status == 0
    return tmp_path / "bank"


def test_an_account_is_shredded_only_when_that_is_said_twice(data: Path) -> None:
    ada = ("keys", "shred", "--issuer", "local", "--patient", "ADA", "--data", data)
    asked, done, again = imagebank(*ada), imagebank(*ada, "--yes", "--json"), imagebank(*ada, "--yes")
    verified = imagebank("verify", "--json", "--data", data)

    assert (asked.status, done.status, again.status) == (2, 0, 1)
    assert json.loads(done.out) == {"outcome": "destroyed", "keys": 1}
    assert verified.status == 0
    assert json.loads(verified.out)["checked"] == 1


def test_the_status_tells_whether_the_old_root_key_is_needed(data: Path) -> None:
    status = ("keys", "status", "--objects", "--json", "--data", data)
    before = imagebank(*status)
    (data / "root.key").write_text((data / "root.key").read_text() + "42" * 32 + "\n")
    needed = imagebank(*status)
    asked = imagebank("keys", "rotate", "--json", "--data", data)

    assert (before.status, needed.status, asked.status) == (0, 1, 0)
    assert [row["keys"] for row in json.loads(before.out)] == [2]
    assert sorted((row["is current"], row["keys"]) for row in json.loads(needed.out)) == [(False, 2), (True, 0)]
