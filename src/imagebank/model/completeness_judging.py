"""The comparison of what was announced of a study with what has come."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from imagebank.model.completeness import Completeness, Lack, Progress, Standing, Word
from imagebank.model.expectation import Expectation, ExpectedSeries, Origin
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

OPEN_LONGEST: Final = timedelta(hours=12)
"""How long an exam counts as going on that its modality has not ended."""
STACKED: Final = frozenset({"CT", "MR", "PT"})
"""Modalities whose series are numbered without gaps; people pick among the stills and loops of others."""
_NAMED_MOST: Final = 100
_GAP_SHARE: Final = 4
"""A gap is one only where at most one in so many numbers is missing: else the numbers are given in some other way."""
_FEWEST: Final = 4
_WHOLE: Final = (Origin.MPPS, Origin.MEDIA)
"""Who knows all that belongs to a study, and so when it is whole."""


@dataclass(frozen=True, slots=True)
class ReceivedSeries:
    """A series that has come. `numbers` are its instance numbers where they can tell of a gap, and none otherwise."""

    uid: str
    number: str = ""
    modality: str = ""
    instances: frozenset[str] = frozenset()
    numbers: tuple[int, ...] = ()
    announced: int = 0


@dataclass(frozen=True, slots=True)
class Received:
    """What has come of a study. `announced` and `announced_series` are what its headers say of it as a whole.

    `held` are those of the instances that are named by words which the organization has, in whatever study they lie.
    """

    study: Uid
    organization: str
    patient: PatientId
    series: tuple[ReceivedSeries, ...] = ()
    announced: int = 0
    announced_series: int = 0
    held: frozenset[str] = frozenset()
    date: str = ""
    accession: str = ""
    last_at: datetime | None = None

    @property
    def count(self) -> int:
        return sum(len(one.instances) for one in self.series)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be said of a study (None: nothing), and when it has to be looked at again."""

    said: Completeness | None
    again_at: datetime | None = None


def judged(received: Received, words: Sequence[Expectation], now: datetime, quiet: timedelta) -> Judgement:
    """Whether a study is whole. It counts as arriving until nothing has come or been said for `quiet`."""
    settled = max((one for one in words if one.origin is Origin.PERSON), key=lambda one: one.said_at, default=None)
    gone = _series_of(one for one in words if one.origin is Origin.DELETION)
    told = [one for one in words if one.origin not in (Origin.PERSON, Origin.DELETION)]
    if settled is not None:
        told = [one for one in told if one.said_at > settled.said_at]
    if not received.series and not told and settled is None:
        return Judgement(None)
    lacks = _lacks(received, told, gone, has_own=settled is None)
    ends = [one.said_at + OPEN_LONGEST for one in told if not one.is_final]
    open_until = max((end for end in ends if end > now), default=None)
    progress = _progress(received, told, lacks, settled)
    has_all = (
        progress is Progress.COMPLETE and any(one.origin in _WHOLE for one in told) and all(o.is_final for o in told)
    )
    waits = [] if has_all or _is_settled_since(settled, received) else _waits(received, told, quiet, now)
    again = max([*waits, *([] if open_until is None else [open_until])], default=None)
    if again is not None:
        progress = Progress.ARRIVING
    if not received.series and progress not in (Progress.ARRIVING, Progress.MISSING):
        return Judgement(None)
    return Judgement(_said(received, told, lacks, settled, progress), again)


def _waits(received: Received, told: Iterable[Expectation], quiet: timedelta, now: datetime) -> list[datetime]:
    """When the quiet ends that what came last, or was said last, began."""
    moments = [one.said_at for one in told if one.origin in _WHOLE]
    moments += [received.last_at] if received.last_at is not None else []
    return [at + quiet for at in moments if at + quiet > now]


def _is_settled_since(settled: Expectation | None, received: Received) -> bool:
    return settled is not None and (received.last_at is None or received.last_at <= settled.said_at)


def _progress(
    received: Received, told: Sequence[Expectation], lacks: Sequence[Lack], settled: Expectation | None
) -> Progress:
    """How far a study is that is quiet."""
    if lacks:
        return Progress.MISSING
    counted = any(one.size for one in told) or received.announced or any(one.announced for one in received.series)
    return Progress.COMPLETE if counted or settled is not None else Progress.UNKNOWN


def _said(
    received: Received,
    told: Sequence[Expectation],
    lacks: Sequence[Lack],
    settled: Expectation | None,
    progress: Progress,
) -> Completeness:
    missing = sum(one.missing for one in lacks if one.unit == "image")
    expected = received.count + missing if missing or progress is not Progress.UNKNOWN else 0
    if progress is Progress.ARRIVING and not (missing or any(one.size for one in told)):
        expected = 0  # nobody has said how many there will be
    modalities = {one.modality for one in received.series} | {one.modality for one in told}
    first = told[0] if told else settled
    said_on = f"{first.said_at:%Y%m%d}" if first is not None else ""
    return Completeness(
        received.study,
        received.organization,
        received.patient,
        Standing(progress, expected, missing, not lacks or any(one.is_certain for one in lacks)),
        received.count,
        bool(received.series),
        tuple(lacks),
        tuple(Word(one.origin, one.by, one.said_at, one.size, one.is_final) for one in told),
        None if settled is None else Word(Origin.PERSON, settled.by, settled.said_at, reason=settled.reason),
        tuple(sorted(modalities - {""})),
        received.date or said_on,
        received.accession or next((one.accession for one in told if one.accession), ""),
        received.last_at,
    )


def _series_of(words: Iterable[Expectation]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in (each for word in words for each in word.series):
        found.setdefault(one.uid, set()).update(one.instances)
    return found


def _lacks(received: Received, told: Sequence[Expectation], gone: dict[str, set[str]], *, has_own: bool) -> list[Lack]:
    """What has not come. `has_own` is whether what headers and numbers tell counts, too."""
    here = {one.uid: one for one in received.series}
    announced: dict[str, list[tuple[Expectation, ExpectedSeries]]] = {}
    for word in told:
        for each in word.series:
            announced.setdefault(each.uid, []).append((word, each))
    lacks = []
    for uid in dict.fromkeys([*here, *announced]):
        series = here.get(uid, ReceivedSeries(uid))
        lack = _of_series(series, announced.get(uid, []), gone.get(uid, set()), received.held, has_own=has_own)
        lacks += [] if lack is None else [lack]
    lacks += _of_study(received, told, lacks, sum(map(len, gone.values())), has_own=has_own)
    return lacks


def _of_series(
    series: ReceivedSeries,
    told: Sequence[tuple[Expectation, ExpectedSeries]],
    gone: set[str],
    held: frozenset[str],
    *,
    has_own: bool,
) -> Lack | None:
    """What one series lacks, by the word that announces most of it."""
    leader: Expectation | None = None
    lost: dict[str, None] = {}
    most = missing = 0
    for word, each in told:
        absent = [uid for uid in each.instances if uid not in gone | series.instances | held]
        lost.update(dict.fromkeys(absent))
        here = len(series.instances.union(held.intersection(each.instances)))
        short = max(len(absent), each.count - len(gone) - here)
        missing = max(missing, short, len(lost))
        if short > most:
            leader, most = word, short
    short = series.announced - len(gone) - len(series.instances) if has_own else 0
    if leader is not None and missing >= short:
        named = tuple(lost)[:_NAMED_MOST]
        return _lack(leader.origin, leader.by, missing, series, named)
    if short > 0:
        return _lack(Origin.HEADER, "", short, series)
    return _gap(series) if has_own and not (told or gone or series.announced) else None


def _lack(origin: Origin, by: str, missing: int, series: ReceivedSeries, lost: tuple[str, ...] = ()) -> Lack:
    return Lack(origin, by, missing, len(series.instances) + missing, series.uid, series.number, instances=lost)


def _of_study(
    received: Received, told: Sequence[Expectation], lacks: Sequence[Lack], gone: int, *, has_own: bool
) -> Iterator[Lack]:
    """What is known to be missing of the study as a whole, beyond what its series lack."""
    if not (received.series or lacks or any(one.size for one in told)):
        final = [one for one in told if one.is_final]
        if final:
            yield Lack(final[0].origin, final[0].by, 1, 1, unit="study", is_certain=any(o.is_certain for o in final))
        return
    known = sum(one.missing for one in lacks if one.is_certain)
    counts = [(one.instances, one.origin, one.by) for one in told]
    counts += [(received.announced, Origin.HEADER, "")] if has_own else []
    count, origin, by = max(counts, key=lambda each: each[0], default=(0, Origin.HEADER, ""))
    short = count - gone - received.count - known
    if short > 0:
        yield Lack(origin, by, short, count)
    counts = [(one.series_count, one.origin, one.by) for one in told]
    counts += [(received.announced_series, Origin.HEADER, "")] if has_own else []
    count, origin, by = max(counts, key=lambda each: each[0], default=(0, Origin.HEADER, ""))
    absent = len({one.series for one in lacks if one.series} - {one.uid for one in received.series})
    short_series = count - len(received.series) - absent
    if short_series > 0 >= short and not gone:
        yield Lack(origin, by, short_series, count, unit="series")


def _gap(series: ReceivedSeries) -> Lack | None:
    """Numbers that are left out between the first and the last one; None where they are given in another way."""
    numbers = sorted(set(series.numbers))
    if series.modality not in STACKED or len(numbers) < _FEWEST:
        return None
    steps = Counter(after - before for before, after in pairwise(numbers))
    span = numbers[-1] - numbers[0] + 1
    lost = span - len(numbers)
    if not lost or steps.most_common(1)[0][0] != 1 or lost * _GAP_SHARE > span:
        return None
    expected = len(series.instances) + lost
    runs = _runs(numbers)
    return Lack(Origin.NUMBERS, "", lost, expected, series.uid, series.number, numbers=runs, is_certain=False)


def _runs(numbers: Sequence[int]) -> str:
    """The gaps between numbers, as `7 to 9, 12`."""
    gaps = [(before + 1, after - 1) for before, after in pairwise(numbers) if after > before + 1]
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in gaps)
