"""`imagebank hl7`: systems that may send messages, and what became of their messages."""

import json
from pathlib import Path

from bank import open_test_bank
from hl7 import code, omi, oru
from imagebank.hl7.framing import Frame
from imagebank.hl7.messages import read
from imagebank.hl7.service import Sender, answer
from imagebank.model.message import Peer
from running import imagebank

HERE = "127.0.0.1"


def send(folder: Path, *messages: bytes) -> list[str]:
    found = []
    with open_test_bank(folder) as bank:
        for message in messages:
            reply = answer(bank, Frame(message), Sender([Peer("", "", HERE, "local")], HERE))
            assert reply is not None
            found.append(code(read(reply)))
    return found


def test_a_system_is_added_listed_and_removed(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "bank"))
    given = ("hl7", "add", "--application", "RIS", "--facility", "NORTH", "--host", "10.1.2.4", *data)
    added, replaced = imagebank(*given), imagebank(*given, "--organization", "north")
    (listed,) = json.loads(imagebank("hl7", "systems", "--json", *data).out)
    wrong = imagebank("hl7", "add", "--application", "A|B", "--host", "x", *data)
    removed = imagebank("hl7", "remove", "RIS", "--facility", "NORTH", *data)
    again = imagebank("hl7", "remove", "RIS", "--facility", "NORTH", *data)

    assert (added.out, replaced.out) == ("RIS|NORTH is added\n", "RIS|NORTH is replaced\n")
    assert listed == {
        "application": "RIS", "facility": "NORTH", "host": "10.1.2.4", "organization": "north", "certificate": "",
    }  # fmt: skip
    assert (wrong.status, removed.status, again.status) == (2, 0, 1)


def test_what_was_not_done_is_listed_shown_and_done_again(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "bank"))
    early = oru(accession="", filler="F1")
    assert send(tmp_path, early, omi()) == ["AE", "AA"]
    (listed,) = json.loads(imagebank("hl7", "list", "--json", *data).out)
    every = json.loads(imagebank("hl7", "list", "--every", "--json", *data).out)
    shown = imagebank("hl7", "show", "1", *data)
    done = imagebank("hl7", "retry", "1", *data)
    left = json.loads(imagebank("hl7", "list", "--json", *data).out)

    assert (listed["number"], listed["kind"], listed["fate"], listed["code"]) == (1, "ORU^R01", "failed", 204)
    assert "Doe" not in json.dumps(every)
    assert [one["number"] for one in every] == [2, 1]
    assert shown.out == early.decode().replace("\r", "\n")
    assert (done.status, done.out, left) == (0, "message 1 is done\n", [])


def test_what_cannot_be_done_again_says_so(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "bank"))
    assert send(tmp_path, omi("??"), b"junk") == ["AE", "AR"]
    retried = [imagebank("hl7", "retry", number, *data) for number in ("1", "2", "9")]

    assert [one.status for one in retried] == [1, 1, 1]
    assert retried[0].out.startswith("message 1 is failed: the order control code")
    assert "cannot be read" in retried[1].err
