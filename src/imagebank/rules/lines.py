"""Where the parts of a rules file stand: the TOML reader of the standard library gives no lines."""

import re
from dataclasses import dataclass, field
from typing import Final

_RULE: Final = re.compile(r"\s*\[\[\s*rule\s*\]\]")
_STEP: Final = re.compile(r"\s*\[\[\s*rule\s*\.\s*do\s*\]\]")
_TABLE: Final = re.compile(r"""\s*\[\s*tables\s*\.\s*["']?([^"'\]\s]+)""")
_OTHER: Final = re.compile(r"\s*\[")
_KEY: Final = re.compile(r"""\s*["']?([\w-]+)["']?\s*=\s*(.*)""")
_QUOTES: Final = ("'''", '"""')

Place = tuple[int | None, int | None, str]
"""The number of the rule and of the step in it, from 0; and a key, empty for the head. A table has its name as key."""


@dataclass(slots=True)
class Lines:
    """Lines by place, from 1."""

    heads: dict[Place, int] = field(default_factory=dict)
    starts: dict[Place, int] = field(default_factory=dict)

    def of(self, rule: int | None, step: int | None = None, key: str = "") -> int:
        """The line of a key, or else of what it would stand in; 0 where that is unknown."""
        places: tuple[Place, ...] = ((rule, step, key), (rule, step, ""), (rule, None, "do"), (rule, None, ""))
        return next((self.heads[place] for place in places if place in self.heads), 0)

    def of_value(self, rule: int, step: int | None, key: str, line: int) -> int:
        """The line in the file of a line of a value, from 1."""
        start = self.starts.get((rule, step, key))
        return self.of(rule, step, key) if start is None else start + line - 1


def lines_of(text: str) -> Lines:
    """Find every head and key. Of odd but right TOML some are missed; then the line of the rule is given."""
    found = Lines()
    rule, step, is_other, quote = -1, -1, True, ""
    for number, line in enumerate(text.splitlines(), 1):
        if quote:
            quote = "" if quote in line else quote
            continue
        if _RULE.match(line):
            rule, step, is_other = rule + 1, -1, False
            found.heads[rule, None, ""] = number
        elif _STEP.match(line):
            step, is_other = step + 1, False
            found.heads[rule, step, ""] = number
        elif table := _TABLE.match(line):
            is_other = True
            found.heads[None, None, f"tables.{table[1]}"] = number
        elif _OTHER.match(line):
            is_other = True
        elif key := _KEY.match(line):
            place: Place = (None, None, key[1]) if is_other else (rule, None if step < 0 else step, key[1])
            found.heads.setdefault(place, number)
            quote = _opened(key[2])
            found.starts.setdefault(place, number + (key[2].strip() in _QUOTES))
    return found


def _opened(value: str) -> str:
    """The quotes of a text of several lines that this line begins and does not end."""
    quote = value[:3]
    return quote if quote in _QUOTES and quote not in value[3:] else ""
