"""A site's rules: checked, switched on, told in words, compared, and gone back to."""

import difflib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imagebank.actions.rules_read import put_version, read_file, surroundings, told
from imagebank.actions.rules_try import Span, try_out
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotFound
from imagebank.model.access import Principal, Right
from imagebank.model.rules import FILE, Fault, Text, Version
from imagebank.rules.reading import Reading, read, table_files
from imagebank.rules.words import Told, in_words

_LISTED: Final = 200
_LAST: Final = 2**31
"""No database counts further."""
NOTHING: Final = Text("")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a comparison: added, removed or the same, with its number in the new text, 0 where it is not there."""

    kind: str
    number: int
    text: str


def file_of(bank: Bank) -> Path:
    """Where this machine's rules file lies."""
    return bank.settings.rules_file or bank.settings.data / FILE


def check(bank: Bank, text: Text) -> Reading:
    """What is wrong with a text of rules, line by line; and the rules, where nothing is."""
    return read(text, surroundings(bank.index))


def with_tables(bank: Bank, rules: str) -> Text:
    """A text that came without the tables that it names: those beside the file, or else of the version in force."""
    beside = _beside(file_of(bank), rules)
    version = bank.index.rules.version()
    held = dict(version.text.tables) if version else {}
    return Text(rules, tuple({**held, **beside}.items()))


def _beside(file: Path, rules: str) -> dict[str, str]:
    return {
        name: (file.parent / name).read_text(encoding="utf-8", errors="replace")
        for name in table_files(rules)
        if (file.parent / name).is_file()
    }


def in_force(bank: Bank, principal: Principal) -> Version | None:
    """The version in force; None where there never was one."""
    principal.require(Right.ADMINISTER)
    bank.rules.current()
    return bank.index.rules.version()


def versions(bank: Bank, principal: Principal) -> list[Version]:
    """The newest versions first."""
    principal.require(Right.ADMINISTER)
    return bank.index.rules.versions(_LISTED)


def version(bank: Bank, principal: Principal, number: int | None = None) -> Version:
    """One of them, or the one in force. Raises NotFound."""
    principal.require(Right.ADMINISTER)
    found = bank.index.rules.version(number) if number is None or 0 < number < _LAST else None
    if found is None:
        if number is None:
            raise NotFound("there are no rules")
        raise NotFound("there is no version {number} of the rules", number=number)
    return found


def switch_on(
    bank: Bank, text: Text, principal: Principal, address: str = "", *, way: str, span: Span | None = None
) -> Version:
    """Put rules in force, everywhere within a second or two, after a try on the past.

    Raises Invalid for a text with faults, and Conflict where a rule could not be judged on a deposit of the past.
    """
    principal.require(Right.ADMINISTER)
    reading = check(bank, text)
    if reading.rules is None:
        raise Invalid("the rules are wrong, and those before stay in force: {faults}", faults=told(reading.faults))
    report = try_out(bank, reading.rules, principal, address, span)
    if not report.is_clean:
        raise Conflict("the rules cannot be judged on what came before: {why}", why=report.unjudged[0])
    made = put_version(bank.index, _named(text), principal.name, way, principal.organization, bank.now(), address)
    _write(file_of(bank), made.text)
    bank.rules.renew()
    return made


def _named(text: Text) -> Text:
    """The text with those tables alone that it names."""
    names = set(table_files(text.rules))
    return Text(text.rules, tuple(pair for pair in text.tables if pair[0] in names))


def _write(file: Path, text: Text) -> None:
    """Have the file say what is in force. What cannot be written is told, and changes nothing of that."""
    for name, content in ((file.name, text.rules), *text.tables):
        new = file.with_name(f".{name}.new")
        try:
            new.write_text(content, encoding="utf-8")
            os.replace(new, file.with_name(name))  # noqa: PTH105 - the same, and shorter
        except OSError as error:
            _log.warning("%s could not be written, and the new rules are in force all the same: %s", name, error)


def compared(before: Text, after: Text) -> list[Line]:
    """Two texts line by line."""
    old, new = _lines(before), _lines(after)
    return list(_compared(old, new))


def _lines(text: Text) -> list[str]:
    found = text.rules.splitlines()
    for name, content in text.tables:
        found += [f"# {name}", *content.splitlines()]
    return found


def _compared(old: list[str], new: list[str]) -> Iterator[Line]:
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield from (Line("same", number, new[number - 1]) for number in range(c + 1, d + 1))
            continue
        yield from (Line("removed", 0, each) for each in old[a:b])
        yield from (Line("added", number, new[number - 1]) for number in range(c + 1, d + 1))


def listed(bank: Bank, principal: Principal) -> tuple[Version | None, list[Told]]:
    """The version in force, and what each of its rules does, in words."""
    found = in_force(bank, principal)
    if found is None:
        return None, []
    reading = read(found.text, surroundings(bank.index))
    return found, in_words(reading.rules) if reading.rules else []


def faults_of_file(bank: Bank) -> list[Fault]:
    """What is wrong with this machine's file now; nothing where there is none."""
    file = file_of(bank)
    if not file.exists():
        return []
    try:
        return check(bank, read_file(file)).faults
    except Invalid as error:
        return [Fault(0, str(error))]
