"""`imagebank rules`: the site's own rules for what arrives."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from cyclopts import App

from imagebank.cli.console import (
    ALL_WELL,
    HERE,
    NOT_WELL,
    Common,
    WrongUsage,
    bank_of,
    err,
    operator,
    out,
    say,
    table,
    tell,
    typed,
)
from imagebank.errors import Conflict

if TYPE_CHECKING:
    from imagebank.actions.rules_try import Report
    from imagebank.bank import Bank
    from imagebank.model.rules import Fault, Text
    from imagebank.rules.steps import Ruleset

app = App(name="rules", help="Rules for what arrives: check, try, apply, list, versions, show, diff, back.")

_FIRST_SAMPLES = 20


@app.command
def check(file: Path, *, common: Common = HERE) -> int:
    """Say what is wrong with a file of rules, line by line. Nothing is changed.

    Example: imagebank rules check --data /srv/imagebank new-rules.toml

    Parameters
    ----------
    file
        The file; tables that it names lie beside it.
    """
    from imagebank.actions import rules
    from imagebank.actions.rules_told import fault_told

    with bank_of(common) as bank:
        faults = rules.check(bank, _text(file)).faults
    if common.json:
        _write([fault_told(fault) for fault in faults])
    else:
        _list(faults)
        if not faults:
            out.print(f"{file.name} is right", markup=False)
    return NOT_WELL if faults else ALL_WELL


@app.command(name="try")
def try_(*, file: Path | None = None, since: str = "7d", source: str = "", common: Common = HERE) -> int:
    """Say what rules would make of what was deposited before. Nothing is changed.

    Example: imagebank rules try --data /srv/imagebank --since 7d

    Example: imagebank rules try --data /srv/imagebank --file new-rules.toml --since 30d --source "EYE-CAM-*"

    Parameters
    ----------
    file
        Rules to try; those in force without it.
    since
        How far back, in hours or days, as 12h or 7d.
    source
        Only deposits of these devices, people, ways or organizations; `*` stands for anything.
    """
    from imagebank.actions import rules_try
    from imagebank.actions.rules_told import report_told

    with typed():
        span = rules_try.Span(rules_try.back_of(since), source, most=sys.maxsize)
    with bank_of(common) as bank:
        found = _rules(bank, file)
        if found is None:
            return NOT_WELL
        report = rules_try.try_out(bank, found, operator(bank), span=span)
    if common.json:
        _write(report_told(report))
    else:
        _report(report)
    return ALL_WELL if report.is_clean else NOT_WELL


@app.command(name="list")
def listed(*, common: Common = HERE) -> int:
    """The rules in force, in running order and in words.

    Example: imagebank rules list --data /srv/imagebank
    """
    from imagebank.actions import rules
    from imagebank.actions.rules_told import rule_told

    with bank_of(common) as bank:
        version, found = rules.listed(bank, operator(bank))
    if common.json:
        _write({"version": version.number if version else 0, "rules": [rule_told(one) for one in found]})
        return ALL_WELL
    if version is None or not found:
        out.print("there are no rules: everything that can be understood is taken in as it comes")
        return ALL_WELL
    out.print(f"version {version.number}, by {version.by} by {version.way}", markup=False)
    for number, one in enumerate(found, 1):
        out.print(f"{number}. {one.name}: {one.sentence}", markup=False)
    return ALL_WELL


@app.command
def apply(file: Path, *, common: Common = HERE) -> int:
    """Switch rules on, after a try on the last seven days; they are in force everywhere within seconds.

    Example: imagebank rules apply --data /srv/imagebank new-rules.toml

    Parameters
    ----------
    file
        The file; tables that it names lie beside it. The bank's own file is written anew.
    """
    from imagebank.actions import rules

    with bank_of(common) as bank:
        text = _text(file)
        faults = rules.check(bank, text).faults
        if faults:
            _list(faults)
            raise Conflict(f"{file.name} is wrong, and nothing was changed")
        made = rules.switch_on(bank, text, operator(bank), way="command")
    tell(common, f"version {made.number} is in force", version=made.number, outcome="in force")
    return ALL_WELL


@app.command
def versions(*, common: Common = HERE) -> int:
    """Every version of the rules, the newest first.

    Example: imagebank rules versions --data /srv/imagebank
    """
    from imagebank.actions import rules
    from imagebank.actions.rules_told import version_told

    with bank_of(common) as bank:
        found = rules.versions(bank, operator(bank))
    say(common, [version_told(one) for one in found], ("number", "at", "by", "way", "sha256"))
    return ALL_WELL


@app.command
def show(number: int | None = None, *, common: Common = HERE) -> int:
    """The text of a version; of the one in force without a number.

    Example: imagebank rules show --data /srv/imagebank 41

    Parameters
    ----------
    number
        Of the version, as `imagebank rules versions` gives it.
    """
    from imagebank.actions import rules
    from imagebank.actions.rules_told import version_told

    with bank_of(common) as bank:
        found = rules.version(bank, operator(bank), number)
    if common.json:
        _write(version_told(found, with_text=True))
    else:
        sys.stdout.write(found.text.rules)
        for name, content in found.text.tables:
            sys.stdout.write(f"\n# {name}\n{content}")
    return ALL_WELL


@app.command
def diff(before: int, after: int, *, common: Common = HERE) -> int:
    """What changed from one version to another.

    Example: imagebank rules diff --data /srv/imagebank 40 41

    Parameters
    ----------
    before
        The number of the one version.
    after
        The number of the other.
    """
    from imagebank.actions import rules

    with bank_of(common) as bank:
        one, other = (rules.version(bank, operator(bank), number) for number in (before, after))
    lines = [line for line in rules.compared(one.text, other.text) if line.kind != "same"]
    if common.json:
        _write([{"kind": line.kind, "line": line.number, "text": line.text} for line in lines])
    else:
        for line in lines:
            out.print(("+ " if line.kind == "added" else "- ") + line.text, markup=False)
    return ALL_WELL


@app.command
def back(number: int, *, common: Common = HERE) -> int:
    """Go back to a version: it is tried again, and becomes the newest one.

    Example: imagebank rules back --data /srv/imagebank 40

    Parameters
    ----------
    number
        Of the version to go back to.
    """
    from imagebank.actions import rules

    with bank_of(common) as bank:
        text = rules.version(bank, operator(bank), number).text
        made = rules.switch_on(bank, text, operator(bank), way="command")
    words = f"version {made.number} is in force, as version {number} was"
    tell(common, words, version=made.number, outcome="in force")
    return ALL_WELL


def _text(file: Path) -> "Text":
    from imagebank.actions.rules_read import read_file

    with typed():
        return read_file(file)


def _rules(bank: "Bank", file: Path | None) -> "Ruleset | None":
    """The rules to try; None for wrong ones, which are told."""
    from imagebank.actions import rules

    if file is None:
        version = rules.in_force(bank, operator(bank))
        if version is None:
            raise WrongUsage("there are no rules in force; name a file with --file")
        reading = rules.check(bank, version.text)
    else:
        reading = rules.check(bank, _text(file))
    _list(reading.faults)
    return reading.rules


def _list(faults: "list[Fault]") -> None:
    for fault in faults:
        err.print(str(fault), markup=False)


def _report(report: "Report") -> None:
    out.print(
        f"{report.looked_at} deposits since {report.since:%Y-%m-%d %H:%M} UTC: a rule applies to {report.applied}; "
        f"{report.changed} would be changed, {report.held} held, {report.refused} refused, {report.let_in} let in; "
        f"{report.conflicts} with a conflict, {report.unread} could not be read"
    )
    counts = [(name, one.applied, one.changed, one.held, one.refused) for name, one in report.rules.items()]
    out.print(table(("rule", "applies to", "changes", "holds", "refuses"), counts))
    rows: list[tuple[Any, ...]] = []
    for one in report.samples[:_FIRST_SAMPLES]:
        changes = "; ".join(
            f"{each.attribute}: {each.before or 'empty'} → {each.after or 'empty'}" for each in one.changes
        )
        outcome = one.would if one.was == one.would else f"{one.was} → {one.would}"
        said = "; ".join((*filter(None, [one.reason]), *one.conflicts))
        rows.append((one.at, one.source.principal, one.name or one.uid, changes, outcome, said))
    if rows:
        out.print(table(("deposit", "from", "file", "change", "outcome", "why"), rows))
    for words in report.unjudged:
        err.print(words, markup=False)


def _write(value: object) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")
