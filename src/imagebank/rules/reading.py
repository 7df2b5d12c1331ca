"""Reading a text of rules: typed and checked before anything arrives, each fault with its line and its reason."""

import csv
import io
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from difflib import get_close_matches
from typing import Any, Final
from zoneinfo import ZoneInfo

from imagebank.model.rules import Fault, Text
from imagebank.rules import expression as expressions
from imagebank.rules.expression import Expression, Language, Reader, checked
from imagebank.rules.lines import Lines, lines_of
from imagebank.rules.step_reading import StepReader
from imagebank.rules.steps import WAYS, Decide, Rule, Ruleset, Step

MAX_TEXT: Final = 64 << 10
MAX_TABLE: Final = 1 << 20
MAX_RULES: Final = 500
MAX_FAULTS: Final = 50
"""Bounds of a text in characters, of a table beside it, of rules in it, and of the faults that are told at once."""

_LONGEST_NAME: Final = 100
_TOP: Final = frozenset(("timezone", "tables", "rule"))
_RULE: Final = frozenset(("name", "organizations", "sources", "ways", "when", "do"))
_AT: Final = re.compile(r" \(at line (\d+), column \d+\)")
_BOOL: Final = {"BOOL": "true or false"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What rules may name: registered devices and plug-ins. None where that is not looked at."""

    devices: frozenset[str] | None = None
    plugins: frozenset[str] | None = None


@dataclass(slots=True)
class Reading:
    """What came of a text: the rules, or every fault, by line."""

    faults: list[Fault] = field(default_factory=list)
    rules: Ruleset | None = None

    def say(self, line: int, words: str) -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(Fault(line, words))


def read(text: Text, around: Surroundings) -> Reading:
    """Read rules, and find everything that is wrong with them."""
    reading = Reading()
    if len(text.rules) > MAX_TEXT:
        reading.say(0, f"the text has more than {MAX_TEXT} characters")
        return reading
    try:
        raw = tomllib.loads(text.rules)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = _AT.search(str(error))
        reading.say(int(found[1]) if found else 0, f"this is not TOML: {_AT.sub('', str(error))}")
        return reading
    reader = _Reader(reading, lines_of(text.rules), around, dict(text.tables))
    rules = reader.read(raw)
    reading.faults.sort(key=lambda fault: fault.line)
    reading.rules = None if reading.faults else rules
    return reading


@dataclass(slots=True)
class _Reader:
    """One reading: what was found wrong is said to `reading`, and something harmless stands in its place."""

    reading: Reading
    lines: Lines
    around: Surroundings
    files: Mapping[str, str]
    tables: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def read(self, raw: Mapping[str, Any]) -> Ruleset | None:
        self._known(raw, _TOP, None, None)
        zone = self._zone(raw.get("timezone", "UTC"))
        self._read_tables(raw.get("tables", {}))
        found = raw.get("rule", [])
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            self.reading.say(self.lines.of(None, None, "rule"), "write each rule under a line [[rule]]")
            return None
        if len(found) > MAX_RULES:
            self.reading.say(0, f"there are more than {MAX_RULES} rules")
            return None
        taken, language = self._take_all(found)
        compiler = _Compiler(self, taken, language)
        steps = StepReader(self._say, compiler.expression, self.around, self.tables)
        rules = tuple(self._rule(number, one, compiler, steps) for number, one in enumerate(found))
        self._check_names(rules)
        self._check_order(rules)
        named = (*language.attributes.values(), *steps.named)
        return Ruleset(rules, language, {one.spot: one for one in named}, zone)

    def _say(self, rule: int, step: int | None, key: str, words: str) -> None:
        self.reading.say(self.lines.of(rule, step, key), words)

    def _known(self, raw: Mapping[str, Any], known: frozenset[str], rule: int | None, step: int | None) -> None:
        for key in raw:
            if key not in known:
                near = get_close_matches(key, known, 1)
                meant = f"did you mean {near[0]}?" if near else f"there is {', '.join(sorted(known))}"
                self.reading.say(self.lines.of(rule, step, key), f"there is no {key} here; {meant}")

    def _zone(self, name: object) -> tzinfo:
        try:
            return UTC if name == "UTC" else ZoneInfo(str(name))
        except (OSError, ValueError, KeyError):
            self.reading.say(self.lines.of(None, None, "timezone"), f"no time zone is called {name}")
            return UTC

    def _read_tables(self, raw: object) -> None:
        if not isinstance(raw, dict):
            self.reading.say(self.lines.of(None, None, "tables"), "write each table under a line [tables.NAME]")
            return
        for name, one in raw.items():
            try:
                self.tables[name] = _table(one, self.files)
            except ValueError as error:
                self.tables[name] = {}
                self.reading.say(self.lines.of(None, None, f"tables.{name}"), f"table {name}: {error}")

    def _take_all(self, found: list[dict[str, Any]]) -> tuple[dict[str, str], Language]:
        """Every expression, taken in; those that cannot be are said, and left out."""
        reader, taken = Reader(), {}
        for rule, step, key, text in _expressions(found):
            try:
                taken[text] = reader.take(text)
            except expressions.Fault as fault:
                self.reading.say(self.lines.of_value(rule, step, key, fault.line), fault.words)
        return taken, reader.language()

    def _rule(self, number: int, raw: Mapping[str, Any], compiler: "_Compiler", steps: StepReader) -> Rule:
        self._known(raw, _RULE, number, None)
        name = raw.get("name")
        if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            words = f'a rule has a name of at most {_LONGEST_NAME} characters, such as name = "Refuse phantoms"'
            self._say(number, None, "name", words)
            name = ""
        when = compiler.expression(number, None, "when", raw["when"], _BOOL) if "when" in raw else None
        do = raw.get("do")
        if not isinstance(do, list) or not do or not all(isinstance(one, dict) for one in do):
            self._say(number, None, "do", "a rule does something: write each act under a line [[rule.do]]")
            do = []
        made: list[Step] = []
        for place, one in enumerate(do):
            if made and isinstance(made[-1], Decide):
                self._say(number, place, "", "this is never reached: the act before it decides")
                break
            if (step := steps.step(number, place, one)) is not None:
                made.append(step)
        ways = self._texts(number, raw, "ways")
        for way in set(ways) - set(WAYS):
            self._say(number, None, "ways", f"there is no way {way}; there is {', '.join(WAYS)}")
        organizations, sources = (self._texts(number, raw, key) for key in ("organizations", "sources"))
        line = self.lines.of(number)
        return Rule(name.strip(), line, organizations, sources, ways, when, tuple(made))

    def _texts(self, number: int, raw: Mapping[str, Any], key: str) -> tuple[str, ...]:
        given = raw.get(key, [])
        if not isinstance(given, list) or not all(isinstance(one, str) and one for one in given):
            self._say(number, None, key, f'{key} is a list of texts, such as ["EYE-CAM-*"]')
            return ()
        return tuple(given)

    def _check_names(self, rules: tuple[Rule, ...]) -> None:
        seen: set[str] = set()
        for number, rule in enumerate(rules):
            if rule.name and rule.name in seen:
                self._say(number, None, "name", f"another rule is called {rule.name}, too")
            seen.add(rule.name)

    def _check_order(self, rules: tuple[Rule, ...]) -> None:
        if self.reading.faults:
            return  # a condition with a fault would be none
        before = ""
        for rule in rules:
            if before:
                self.reading.say(rule.line, f"this rule is never reached: {before} before it decides about everything")
                return
            if rule.is_for_all and any(isinstance(step, Decide) for step in rule.steps):
                before = rule.name or "the rule"


def _expressions(found: list[dict[str, Any]]) -> Iterator[tuple[int, int | None, str, str]]:
    for number, raw in enumerate(found):
        if isinstance(raw.get("when"), str):
            yield number, None, "when", raw["when"]
        steps = raw.get("do")
        for place, step in enumerate(steps if isinstance(steps, list) else []):
            if isinstance(step, dict) and isinstance(step.get("expression"), str):
                yield number, place, "expression", step["expression"]


@dataclass(frozen=True, slots=True)
class _Compiler:
    """Makes expressions ready that were taken in."""

    reader: _Reader
    taken: Mapping[str, str]
    language: Language

    def expression(
        self, rule: int, step: int | None, key: str, text: object, wanted: Mapping[str, str]
    ) -> Expression | None:
        """None for one with a fault, which was said."""
        if not isinstance(text, str):
            self.reader.reading.say(self.reader.lines.of(rule, step, key), f"{key} is a text with an expression")
            return None
        if text not in self.taken:
            return None
        try:
            return checked(self.language, text, self.taken[text], wanted)
        except expressions.Fault as fault:
            self.reader.reading.say(self.reader.lines.of_value(rule, step, key, fault.line), fault.words)
            return None


def _table(raw: object, files: Mapping[str, str]) -> dict[str, str]:
    """A table's entries. Raises ValueError, in words."""
    if not isinstance(raw, dict) or (set(raw) != {"file"} and set(raw) != {"values"}):
        raise ValueError('write file = "name.csv", or [tables.NAME.values] with an entry a line')
    if "values" in raw:
        values = raw["values"]
        if not isinstance(values, dict) or not all(isinstance(one, str) for one in values.values()):
            raise ValueError("its values are texts")
        return dict(values)
    name = raw["file"]
    if not isinstance(name, str) or not is_table_name(name):
        raise ValueError("its file lies beside the rules, and its name ends in .csv")
    if name not in files:
        raise ValueError(f"there is no file {name} beside the rules")
    if len(files[name]) > MAX_TABLE:
        raise ValueError(f"{name} has more than {MAX_TABLE} characters")
    return _csv(name, files[name])


def is_table_name(name: str) -> bool:
    """Whether it names a CSV file beside the rules."""
    return re.fullmatch(r"[\w .-]{1,100}\.csv", name) is not None and not name.startswith(".")


def _csv(name: str, text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True), 1):
            if not row:
                continue
            if len(row) != 2:
                raise ValueError(f"line {number} of {name} has not two columns, a key and a value")
            if row[0] in found:
                raise ValueError(f"line {number} of {name} has the key {row[0][:64]!r} again")
            found[row[0]] = row[1]
    except csv.Error as error:
        raise ValueError(f"{name} is not CSV: {error}") from None
    return found


def table_files(text: str) -> list[str]:
    """The files that rules name as tables; none where the text cannot be read."""
    try:
        tables = tomllib.loads(text).get("tables", {})
    except (tomllib.TOMLDecodeError, RecursionError):
        return []
    given = [one.get("file") for one in tables.values() if isinstance(one, dict)] if isinstance(tables, dict) else []
    return sorted({name for name in given if isinstance(name, str) and is_table_name(name)})
