"""The rules in docs/rights.md are rules, and say what the page says of them."""

import tomllib
from pathlib import Path
from re import DOTALL, search

from imagebank.actions import rights
from imagebank.model.access import Purpose, Right, Role
from imagebank.model.rights import DEFAULT_RULES

PAGE = (Path(__file__).parents[2] / "docs" / "rights.md").read_text(encoding="utf-8")


def test_the_example_is_a_file_of_rules_that_the_bank_reads() -> None:
    block = search(r"```toml\n(.*?)```", PAGE, DOTALL)
    assert block is not None
    parsed = rights.parse(tomllib.loads(block[1]))

    assert set(DEFAULT_RULES) <= set(parsed.rules)
    assert [rule.name for rule in parsed.rules if rule not in DEFAULT_RULES] == [
        "the stroke network sees head CT of the last years"
    ]
    assert Right.DELETE in parsed.by_role[Role.TECHNOLOGIST]


def test_the_page_names_every_role_purpose_and_right() -> None:
    for word in (*Role, *Purpose, *Right):
        assert word in PAGE
