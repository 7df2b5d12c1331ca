"""Reading and judging rules in a line, for tests."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from imagebank.model.imaging import Source
from imagebank.model.rules import Deposit, Opinion, Text, Verdict
from imagebank.rules.facts import Person, facts_of
from imagebank.rules.judge import judge
from imagebank.rules.reading import Surroundings, read
from imagebank.rules.steps import Ruleset
from make import a_file

HERE = Surroundings(frozenset({"READING1", "READING2"}), frozenset({"eyes"}))
CT1 = Source("dimse", "CT1", "north", "10.0.0.7")
NOON = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)  # a Monday


def nobody(_: str, __: Deposit) -> Opinion:
    raise AssertionError("no plug-in was to be asked")


def right(text: str, **tables: str) -> Ruleset:
    """Rules that are right; tables by the name of their file without `.csv`."""
    reading = read(Text(text, tuple((f"{name}.csv", content) for name, content in tables.items())), HERE)
    assert reading.rules is not None, reading.faults
    return reading.rules


def faults(text: str, **tables: str) -> list[str]:
    """What is wrong with rules, as people are told."""
    reading = read(Text(text, tuple((f"{name}.csv", content) for name, content in tables.items())), HERE)
    assert reading.rules is None
    return [str(fault) for fault in reading.faults]


def rule(*do: str, when: str = "", name: str = "R", more: str = "") -> str:
    """One rule; each of `do` holds the lines of an act, with blanks around `=` and commas between."""
    lines = ["[[rule]]", f'name = "{name}"']
    lines += [f"when = '''{when}'''"] if when else []
    lines += [more] if more else []
    for act in do:
        lines += ["[[rule.do]]", *act.split("; ")]
    return "\n".join(lines) + "\n"


def verdict(
    text: str | Ruleset,
    file: bytes | None = None,
    *,
    source: Source = CT1,
    name: str = "",
    at: datetime = NOON,
    person: Person | None = None,
    ask: Callable[[str, Deposit], Opinion] = nobody,
    **attributes: Any,
) -> Verdict:
    """What rules say of a file, or of a small CT with these attributes."""
    rules = right(text) if isinstance(text, str) else text
    data = a_file(**attributes) if file is None else file
    return judge(rules, facts_of(rules, data, source, name, at, lambda: person or Person()), ask)


def holds(when: str, **given: Any) -> bool:
    """Whether a condition holds."""
    return bool(verdict(rule('action = "accept"', when=when), **given).applied)
