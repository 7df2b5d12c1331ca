"""`imagebank compress`: what is done now, and what all of it saves."""

import json
from pathlib import Path

from make import a_file
from running import imagebank
from unit.actions.test_compress import a_slice


def test_it_says_what_was_done_and_what_it_saves(tmp_path: Path) -> None:
    folder, slices = tmp_path / "bank", tmp_path / "slices"
    slices.mkdir()
    for number, file in enumerate((a_slice(rows=256), a_slice(rows=256), a_file())):
        (slices / f"{number}.dcm").write_bytes(file)
    assert imagebank("import", "--data", folder, slices).status == 0

    waiting = imagebank("compress", "--data", folder)
    done = imagebank("compress", "--data", folder, "--older-than", "0", "--at-once", "--json")

    assert "0 of 0 objects were compressed now" in waiting.out
    told = json.loads(done.out)
    assert (told["seen"], told["compressed"], told["objects"]) == (3, 2, 2)
    assert told["bytes_taken"] < told["bytes_as_they_came"] / 2
    assert imagebank("verify", "--data", folder).status == 0
