"""The rules in docs/rules.md are right, and the page knows every act."""

import re
import tomllib
from pathlib import Path

import pytest

from imagebank.model.rules import Text
from imagebank.rules.reading import Surroundings, read
from imagebank.rules.step_reading import ACTIONS
from imagebank.rules.steps import WAYS

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
BLOCKS = [block for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "[[rule]]" in block]
HERE = Surroundings(frozenset({"READING_MG"}), frozenset())


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.partition('name = "')[2].partition('"')[0])
def test_every_example_is_right(block: str) -> None:
    assert read(Text(block), HERE).faults == []


def test_every_act_and_way_is_on_the_page() -> None:
    for action, keys in ACTIONS.items():
        (row,) = re.findall(rf"^\| `{action}` \| (.*?) \|", PAGE, re.MULTILINE)
        assert set(re.findall(r"`(\w+)`", row)) >= set(keys), action
    assert all(way in PAGE for way in WAYS)
    assert tomllib.loads(BLOCKS[0])["rule"][0]["ways"] == ["dimse", "upload"]
