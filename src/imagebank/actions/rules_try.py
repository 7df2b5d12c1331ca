"""Trying rules on what was deposited before: what they would change, hold and refuse. Nothing is changed."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

from imagebank.actions import audit, notes, ruling
from imagebank.bank import Bank
from imagebank.dicom.describe import describe
from imagebank.dicom.walk import More
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import Principal, Right
from imagebank.model.event import Act
from imagebank.model.imaging import Location, Source
from imagebank.model.person import PatientId
from imagebank.model.rules import Change, Decision, Verdict
from imagebank.rules.facts import facts_of
from imagebank.rules.judge import judge
from imagebank.rules.steps import Ruleset

_HEAD: Final = 64 << 10
_MOST_BYTES: Final = 256 << 20
_PAGE: Final = 200
_BACK: Final = re.compile(r"(\d{1,5}) ?([hd])", re.ASCII)
_MOST_BACK: Final = {"h": 87_600, "d": 3650}
WEEK: Final = timedelta(days=7)
MOST_SAMPLES: Final = 100
MOST_DEPOSITS: Final = 5000


@dataclass(frozen=True, slots=True)
class Span:
    """Which deposits: how long back, from which source, and how many at the most, the newest first."""

    back: timedelta = WEEK
    source: str = ""
    most: int = MOST_DEPOSITS


@dataclass(frozen=True, slots=True)
class Sample:
    """One deposit for which something would be otherwise: `was` and `would` are outcomes in a word."""

    at: datetime
    name: str
    source: Source
    uid: str
    was: str
    would: str
    reason: str
    changes: tuple[Change, ...]
    conflicts: tuple[str, ...]


@dataclass(slots=True)
class Count:
    """What one rule would do: to how many it applies, and how many it would change, hold or refuse."""

    applied: int = 0
    changed: int = 0
    held: int = 0
    refused: int = 0


@dataclass(slots=True)
class Report:
    """What came of a try. `is_partial` says that there were more deposits than were looked at."""

    since: datetime
    looked_at: int = 0
    applied: int = 0
    changed: int = 0
    held: int = 0
    refused: int = 0
    let_in: int = 0
    is_partial: bool = False
    rules: dict[str, Count] = field(default_factory=dict)
    days: Counter[str] = field(default_factory=Counter)
    samples: list[Sample] = field(default_factory=list)
    conflicts: int = 0
    unjudged: list[str] = field(default_factory=list)
    unread: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether every rule could be judged on every deposit."""
        return not self.unjudged

    @property
    def differ(self) -> int:
        return self.changed + self.held + self.refused + self.let_in


@dataclass(frozen=True, slots=True)
class _Past:
    """A deposit of the past. `reason` says why it lies in quarantine; empty for one in the archive."""

    at: datetime
    location: Location
    source: Source
    name: str
    uid: str
    reason: str = ""


def back_of(text: str) -> timedelta:
    """A span as people write it: hours or days, as `12h` or `7d`. Raises Invalid."""
    found = _BACK.fullmatch(text.strip())
    if found is None or not 0 < int(found[1]) <= _MOST_BACK[found[2]]:
        raise Invalid("how far back is said in hours or days, as 12h or 7d, of ten years at the most")
    return timedelta(hours=int(found[1])) if found[2] == "h" else timedelta(days=int(found[1]))


def try_out(bank: Bank, rules: Ruleset, principal: Principal, address: str = "", span: Span | None = None) -> Report:
    """Judge past deposits by these rules. That somebody looked stands in the ledger first: samples show values.

    Deposits are judged as they are kept: where rules have changed one already, as they have made it. What was refused
    is not there any more.
    """
    principal.require(Right.ADMINISTER)
    span = span or Span()
    with bank.index.begin() as tx:
        tx.record([audit.event(bank, Act.VIEWED, principal, address, "rules: tried on the past")])
    report = Report(bank.now() - span.back, rules={rule.name: Count() for rule in rules.rules})
    for past in _past(bank, principal, report.since):
        if span.source and not _is_from(past.source, span.source):
            continue
        if report.looked_at == span.most:
            report.is_partial = True
            break
        report.looked_at += 1
        _judge(bank, rules, past, report)
    return report


def _is_from(source: Source, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in (source.principal, source.way, source.organization))


def _past(bank: Bank, principal: Principal, since: datetime) -> Iterator[_Past]:
    """Deposits since then, the newest of the archive first, then what lies in quarantine."""
    before: int | None = None
    while page := bank.index.rules.deposited(principal.scope, _PAGE, before):
        before = page[-1][0]
        for _, one in page:
            if one.received_at < since:
                continue
            try:
                note = notes.note_at(bank, one.location)
            except (Invalid, NotFound):
                continue  # deleted since, or for `imagebank verify` to tell
            yield _Past(one.received_at, one.location, note.source, note.name, one.uid)
        # They came in the order of their places, but for what was rebuilt.
        if all(one.received_at < since for _, one in page):
            break
    for held in bank.index.quarantined(principal.scope):
        if held.received_at >= since and held.uid:
            yield _Past(held.received_at, held.location, held.source, held.name, held.uid, held.reason)


def _judge(bank: Bank, rules: Ruleset, past: _Past, report: Report) -> None:
    try:
        verdict = _verdict(bank, rules, past)
    except (Invalid, NotFound):
        report.unread += 1
        return
    report.applied += bool(verdict.applied)
    report.conflicts += bool(verdict.conflicts)
    for name in verdict.applied:
        report.rules[name].applied += 1
    if verdict.unjudged and len(report.unjudged) < MOST_SAMPLES:
        report.unjudged.append(f"{verdict.unjudged[0]} (object {past.uid})")
    _compare(past, verdict, report)


def _verdict(bank: Bank, rules: Ruleset, past: _Past) -> Verdict:
    data = bank.blobs.read(past.location, 0, _HEAD)
    try:
        return _on(bank, rules, past, data)
    except More:
        if past.location.size > _MOST_BYTES:
            raise Invalid("it is too large to be tried") from None
        return _on(bank, rules, past, bank.blobs.read(past.location))


def _on(bank: Bank, rules: Ruleset, past: _Past, data: bytes) -> Verdict:
    size = past.location.size
    patient = PatientId("", "")
    if rules.asks_for_person:
        patient = describe(data, size=size, catalogue=bank.catalogue, organization=past.source.authority).patient
    person = ruling.person_of(bank, patient, past.source)
    facts = facts_of(rules, data, past.source, past.name, past.at, person, size)
    return judge(rules, facts, bank.rules.ask)


_WOULD: Final = {Decision.ACCEPT: "filed", Decision.QUARANTINE: "held", Decision.REFUSE: "refused"}


def _compare(past: _Past, verdict: Verdict, report: Report) -> None:
    """Count a deposit for which something would be otherwise, and keep it as a sample."""
    was, would = "held" if past.reason else "filed", _WOULD[verdict.decision]
    changes = tuple(verdict.final.values()) if verdict.decision is Decision.ACCEPT else ()
    is_changed = bool(changes) or (verdict.decision is Decision.ACCEPT and verdict.drops is not None)
    for name in {change.rule for change in changes} | (
        {verdict.drops_by} if is_changed and verdict.drops_by else set()
    ):
        report.rules[name].changed += 1
    if verdict.by:
        report.rules[verdict.by].held += would == "held"
        report.rules[verdict.by].refused += would == "refused"
    if was == would and not is_changed:
        return
    report.days[f"{past.at:%Y%m%d}"] += 1
    report.held += was != would == "held"
    report.refused += was != would == "refused"
    report.let_in += was != would == "filed"
    report.changed += was == would
    if len(report.samples) < MOST_SAMPLES:
        reason = verdict.reason or past.reason
        found = Sample(past.at, past.name, past.source, past.uid, was, would, reason, changes, verdict.conflicts)
        report.samples.append(found)
