"""`imagebank person`: people and their links, from the command line."""

import json
from pathlib import Path

import pytest

from running import imagebank


@pytest.fixture
def here(tmp_path: Path) -> tuple[str, str]:
    return ("--data", str(tmp_path / "bank"))


def test_somebody_is_added_listed_locked_and_linked_anew(here: tuple[str, str]) -> None:
    added = imagebank("person", "add", "--name", "Ada", "--role", "clinician", "--display-name", "Ada Varga", *here)
    locked = imagebank("person", "lock", "ada", *here)
    (listed,) = json.loads(imagebank("person", "list", "--json", *here).out)
    unlocked = imagebank("person", "unlock", "ada", *here)
    linked = json.loads(imagebank("person", "link", "ada", "--json", *here).out)

    assert added.status == locked.status == unlocked.status == 0
    assert added.out.startswith("http://127.0.0.1:8080/activate/")
    assert (listed["name"], listed["display_name"], listed["role"]) == ("ada", "Ada Varga", "clinician")
    assert (listed["password"], listed["app"], listed["passkeys"], listed["locked"]) == (False, False, 0, True)
    assert linked["link"] != added.out.strip()
    assert linked["hours"] == 72


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        (("add", "--name", "two words", "--role", "admin"), 2, "no spaces"),
        (("add", "--name", "ada", "--role", "admin"), 1, "ada already"),
        (("link", "eve"), 1, "nobody is called eve"),
        (("lock", "eve"), 1, "nobody is called eve"),
        (("unlock", "eve"), 1, "nobody is called eve"),
    ],
)
def test_what_cannot_be_done_is_told(here: tuple[str, str], given: tuple[str, ...], status: int, words: str) -> None:
    imagebank("person", "add", "--name", "ada", "--role", "admin", *here)
    said = imagebank("person", *given, *here)

    assert (said.status, said.out) == (status, "")
    assert words in said.err
