"""What a command answers to wrong usage, to a bank that is not there, and to what was done."""

import json
from pathlib import Path

import pytest

from make import a_file, read
from running import imagebank


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a bank with one token."""
    folder = tmp_path / "bank"
    said = imagebank("token", "create", "--data", folder, "--role", "admin", "--name", "first")
    assert said.status == 0
    assert "a new bank" in said.err
    return folder


LOOKING = (
    ("verify",), ("reindex",), ("sign-in-link",), ("token", "list"), ("token", "revoke", "x"), ("device", "list"),
    ("device", "remove", "CT1"), ("device", "echo", "CT1"), ("quarantine", "list"), ("quarantine", "delete", "1"),
    ("quarantine", "submit", "1"), ("quarantine", "get", "1", "copy"), ("audit", "verify"),
    ("access", "who", "1.2"), ("access", "explain", "1.2", "--role", "admin"), ("consent", "list"),
    ("consent", "add", "deny", "--patient", "P"), ("consent", "revoke", "1"), ("label", "put", "1.2", "sensitive"),
    ("identity", "list"), ("identity", "show", "1"), ("identity", "queue"), ("identity", "undo", "1"),
    ("identity", "link", "1", "2"), ("identity", "merge", "1", "2"), ("identity", "unlink", "1"),
    ("identity", "decide", "same", "1", "2"),
)  # fmt: skip


@pytest.mark.parametrize("command", LOOKING, ids=" ".join)
def test_a_command_that_looks_or_mends_makes_no_bank(tmp_path: Path, command: tuple[str, ...]) -> None:
    said = imagebank(*command, "--data", tmp_path / "mistyped")

    assert said.status == 2
    assert str(tmp_path / "mistyped") in said.err
    assert "--data" in said.err
    assert not (tmp_path / "mistyped").exists()


def test_a_bank_that_lost_its_database_is_one(data: Path) -> None:
    (data / "index.db").unlink()

    assert imagebank("reindex", "--data", data).status == 0


DEVICE = ("device", "add", "--aet", "CT1", "--host", "10.0.0.1", "--port", "104")


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (("import",), "file or folder"),
        (("import", "/nowhere/at/all"), "/nowhere/at/all"),
        (("token", "create", "--role", "admin", "--days", "0"), "days"),
        (("token", "create", "--role", "king"), "king"),
        (("device", "add", "--aet", "CT1", "--host", "10.0.0.1", "--port", "99999"), "port"),
        (("device", "add", "--aet", "A" * 17, "--host", "10.0.0.1", "--port", "104"), "AE title"),
        (("device", "add", "--aet", "CT1", "--host", "", "--port", "104"), "host name"),
        ((*DEVICE, "--rights", ""), "rights"),
        ((*DEVICE, "--rights", "store,steal"), "rights"),
        (("token", "list", "--config", "/"), "cannot be read"),
    ],
)
def test_wrong_usage_ends_with_two_and_says_what_is_wrong(data: Path, command: tuple[str, ...], named: str) -> None:
    said = imagebank(*command, "--data", data)

    assert (said.status, said.out) == (2, "")
    assert named in said.err
    assert "Errno" not in said.err


def test_an_import_of_what_is_not_there_makes_no_bank(tmp_path: Path) -> None:
    said = imagebank("import", tmp_path / "nowhere", "--data", tmp_path / "bank")

    assert said.status == 2
    assert not (tmp_path / "bank").exists()


def test_what_was_done_is_said_in_one_line(data: Path) -> None:
    said = [imagebank(*command, "--data", data).out for command in (DEVICE, DEVICE, ("device", "remove", "CT1"))]
    revoked = imagebank("token", "revoke", "first", "--json", "--data", data)

    assert said == ["CT1 is added\n", "CT1 is replaced\n", "CT1 is removed\n"]
    assert json.loads(revoked.out) == {"token": "first", "outcome": "revoked"}


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path, data: Path) -> None:
    first = a_file()
    (tmp_path / "in").mkdir()
    for number, file in enumerate((first, a_file(SOPInstanceUID=str(read(first).SOPInstanceUID)))):
        (tmp_path / "in" / str(number)).write_bytes(file)
    imagebank("import", tmp_path / "in", "--data", data)
    (row,) = json.loads(imagebank("quarantine", "list", "--json", "--data", data).out)
    taken = tmp_path / "taken"
    taken.write_bytes(b"mine")
    said = imagebank("quarantine", "get", str(row["number"]), taken, "--data", data)
    absent = imagebank("quarantine", "get", "999", tmp_path / "new", "--data", data)
    submitted = imagebank("quarantine", "submit", str(row["number"]), "--json", "--data", data)
    deleted = imagebank("quarantine", "delete", str(row["number"]), "--data", data)

    assert (said.status, absent.status) == (1, 1)
    assert "is there already" in said.err
    assert taken.read_bytes() == b"mine"
    assert not (tmp_path / "new").exists()
    assert json.loads(submitted.out)["outcome"] == "quarantined"
    assert deleted.out == f"{row['number']} is deleted\n"


def test_an_attribute_that_is_none_is_told_as_a_setting(data: Path) -> None:
    said = imagebank("token", "list", "--data", data, environ={"IMAGEBANK_ATTRIBUTES": "series:Nonsense"})

    assert said.status == 2
    assert "attributes" in said.err
    assert "Nonsense" in said.err
