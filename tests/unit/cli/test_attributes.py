"""`imagebank attribute`: adding, listing and removing from the command line."""

import json
from pathlib import Path

from bank import keep, open_test_bank
from make import a_file
from running import imagebank


def test_an_attribute_is_added_listed_and_removed(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_file(ContrastBolusAgent="Iohexol"))
    here = ("--data", str(tmp_path / "bank"))
    made = imagebank("attribute", "add", "series:0019xx10@ACME 1.1", "--name", "DoseNote", "--vr", "SH", *here)
    again = imagebank("attribute", "add", "series:0019xx10@ACME 1.1", "--name", "DoseNote", "--vr", "SH", *here)
    listed = json.loads(imagebank("attribute", "list", "--json", *here).out)
    wrong = imagebank("attribute", "add", "ContrastBolusAgent", *here)
    gone = imagebank("attribute", "remove", "DoseNote", *here)

    assert [one.status for one in (made, again, wrong, gone)] == [0, 0, 2, 0]
    assert "is added" in made.out
    assert "is there already" in again.out
    (one,) = listed
    assert (one["path"], one["name"], one["read"]) == ("series:0019xx10@ACME 1.1", "DoseNote", "0 of 1")
    assert (one["state"], one["remaining"]) == ("filling", "not known yet")
