"""Searches: QIDO-RS and C-FIND, with as many matches as there are."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from imagebank.bench import dcmtk
from imagebank.bench.asking import Request, Wrong, ask
from imagebank.bench.corpus import Item
from imagebank.bench.work import JSON_KIND, Reading, Work, matches, same, some

_MOST: Final = 400
_DIFFERENT: Final = 20
_REPEATED: Final = 100
_TRIES: Final = 3
_PATIENT_ID, _STUDY = "00100020", "0020000D"


def patient(work: Work) -> Reading:
    return _studies(work, [{"PatientID": item.patient} for item in _small(work)], 1)


def name(work: Work) -> Reading:
    families, count = _equally_many([item.name.partition("^")[0] for item in work.corpus.of("small")])
    return _studies(work, [{"PatientName": f"{family}*"} for family in families], count)


def day(work: Work) -> Reading:
    """Days of small studies only; the large ones are all of the first day."""
    large = work.corpus.of("series")[0].day
    days, count = _equally_many([item.day for item in work.corpus.of("small") if item.day != large])
    return _studies(work, [{"StudyDate": one} for one in days], count)


def _equally_many(values: Sequence[str]) -> tuple[list[str], int]:
    """Different values that are there equally often, so that their answers can be held against each other; how often."""
    often = Counter(values)
    count = Counter(often.values()).most_common(1)[0][0]
    return [value for value, times in often.items() if times == count][:_DIFFERENT], count


def first_fifty(work: Work) -> Reading:
    return _studies(work, [{"limit": "50"}], 50)


def instances(work: Work) -> Reading:
    item = work.corpus.of("series")[0]
    target = f"/studies/{item.study}/series/{item.series}/instances"
    return _timed(work, [target], len(work.corpus.of("series")))


def find_study(work: Work) -> Reading:
    item = _small(work)[0]
    return _found(work, "STUDY", {"PatientID": item.patient, "StudyInstanceUID": "", "StudyDate": ""}, 1, _REPEATED)


def find_instances(work: Work) -> Reading:
    item = work.corpus.of("series")[0]
    keys = {
        "StudyInstanceUID": item.study,
        "SeriesInstanceUID": item.series,
        "SOPInstanceUID": "",
        "InstanceNumber": "",
    }
    return _found(work, "IMAGE", keys, len(work.corpus.of("series")), 2)


def _small(work: Work) -> Sequence[Item]:
    return some(work.corpus.of("small")[1:], _DIFFERENT)


def _studies(work: Work, keys: Sequence[Mapping[str, str]], wanted: int) -> Reading:
    return _timed(work, [f"/studies?{urlencode(one, safe='*')}" for one in keys], wanted)


def _timed(work: Work, targets: Sequence[str], wanted: int) -> Reading:
    """The median of the answers' times, one after the other; the first one is looked at and not timed."""
    requests = [Request(target, JSON_KIND, {"Accept": JSON_KIND}) for target in targets]
    first = ask(work.archive, requests[:1], work.folder / "query").answers[0]
    same("matches of a search", wanted, len(matches(first.body)))
    asked = ask(work.archive, requests, work.folder / "query", seconds=work.seconds, least=3, most=_MOST, keep="none")
    if min(one.length for one in asked.answers) < first.length // 2:
        raise Wrong("an answer is much shorter than the first one")
    return Reading(asked.median_ms, len(asked.answers) + 1)


def _found(work: Work, level: str, keys: Mapping[str, str], wanted: int, times: int) -> Reading:
    """The time of one question among many over one association, without that of the client's start."""
    seconds = {1: math.inf, times + 1: math.inf}
    for _ in range(_TRIES):
        for number in (1, times + 1):
            took, found = dcmtk.find(work.archive, level, keys, number, work.folder / "find")
            same("matches of a C-FIND", wanted, found)
            # What else runs on the machine only ever adds.
            seconds[number] = min(seconds[number], took)
    return Reading(max(seconds[times + 1] - seconds[1], 1e-6) / times * 1000, (times + 2) * _TRIES)
