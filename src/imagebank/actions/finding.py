"""Finding by words: one box over everything that the bank knows of a study.

What is said of a study is written down once it has been quiet for a while, by a job: at deposit it would have to be
written anew with every instance. One document a study, since the words of a question may stand in different series, and
since what a caller sees, sees a count of, and opens is a study.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson
import zstandard

from imagebank.actions import retrieve, said, together
from imagebank.actions.together import InSteps, Steps
from imagebank.bank import Bank
from imagebank.dicom.doses import Gathered
from imagebank.dicom.sayings import sayings
from imagebank.errors import Invalid, NotFound
from imagebank.exams.said import KEYS as SAID_KEYS
from imagebank.exams.said import said_of
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.imaging import DataSet, Selection
from imagebank.model.search import (
    MOST_HITS,
    Answer,
    Facet,
    Hit,
    Line,
    Marks,
    Match,
    Nearness,
    Weight,
    Wish,
    asked,
    counts,
    document,
    marks_for,
    passages,
)
from imagebank.model.uid import Uid
from imagebank.ports import Transaction

JOB: Final = "words"
_HERE: Final = Scope(organizations=None)
"""Nobody reads here: what is written stays in the bank."""
_BATCH: Final = 1_000
_NAMED: Final = {
    Facet.DEPARTMENT: ("00081040",),
    Facet.BODY_PART: ("00180015",),
    Facet.DEVICE: ("00081090",),
    Facet.PHYSICIAN: ("00080090", "00081050", "00081060", "00321032"),  # who referred, performed, read and asked for it
}
_HEADS: Final = frozenset({Weight.NAME, Weight.DESCRIPTION})
_EXACT: Final = (Nearness.NAME, Nearness.DESCRIPTION, Nearness.TEXT)


def write(bank: Bank, study: Uid) -> bool:
    """Write down what is said of a study, and of the radiation that it took; False when it went, or changed meanwhile and so will be written again."""
    return together.alone(bank, writing(bank, study))


def writing(bank: Bank, study: Uid) -> Steps[bool]:
    """The same in steps."""
    series = bank.index.series_of(Selection(study=study), _HERE)
    lines: dict[Line, None] = {}
    named: dict[Facet, dict[str, None]] = {facet: {} for facet in _NAMED}
    heads: list[DataSet] = []
    doses = Gathered()
    try:
        # Before the headers: of what weighs the same the first is kept, and few look for what is left of a header.
        for source in said.SOURCES:
            lines.update(dict.fromkeys(source(bank, study)))
        for _, one, _ in series:
            datasets = orjson.loads(zstandard.decompress(retrieve.series_metadata(bank, one, _HERE)))
            doses.take(datasets)
            for dataset in _changes(datasets):
                lines.update(dict.fromkeys(sayings(dataset)))
                heads.append({key: dataset[key] for key in SAID_KEYS & dataset.keys()})
                for facet, keys in _NAMED.items():
                    named[facet].update(dict.fromkeys(value for key in keys for value in _values(dataset, key)))
    except NotFound:
        return False
    made = replace(document(study, lines, named), said=said_of([one for one in heads if one]))
    readings = doses.readings()

    def put(tx: Transaction) -> bool:
        is_written = tx.words.put(made, {one: version for _, one, version in series})
        if is_written:
            tx.doses.put(study, readings)
        return is_written

    return bool((yield put))


def _changes(datasets: Sequence[DataSet]) -> Iterator[DataSet]:
    """Each instance of a series without what the one before it said, too: most of them say the same."""
    before: DataSet = {}
    for dataset in datasets:
        yield {key: one for key, one in dataset.items() if before.get(key) != one or _names_creator(key)}
        before = dataset


def _names_creator(key: str) -> bool:
    return key[4:6] == "00" and key[3] in "13579BDF"


def _values(dataset: DataSet, key: str) -> list[str]:
    return [text for value in (dataset.get(key) or {}).get("Value") or () if (text := _text(value))]


def _text(value: object) -> str:
    """A value as it is shown; of a name its first writing."""
    if isinstance(value, dict):
        value = next(filter(None, map(value.get, ("Alphabetic", "Ideographic", "Phonetic"))), "")
        return " ".join(str(value).replace("^", " ").split())
    return "" if value is None else str(value).strip()


@InSteps
def write_job(bank: Bank, payload: dict[str, Any]) -> Steps[object]:
    """What the job `words` does; repeating it changes nothing."""
    return writing(bank, Uid(payload["study"]))


def catch_up(bank: Bank) -> int:
    """Have every study written down of which nothing is, or what a former version wrote; how many times there was one.

    After a rebuild, and after an upgrade from a version that could not search; jobs go on with it after a crash.
    """
    number = 0
    for unwritten in (bank.index.words.unwritten, bank.index.doses.unread):
        last = ""
        while missing := unwritten(_BATCH, _HERE, last):
            now, last = bank.now(), missing[-1]
            with bank.index.begin() as tx:
                for study in missing:
                    tx.defer(JOB, {"study": study}, now, key=study)
            number += len(missing)
    return number


def everything(
    bank: Bank, wish: Wish, principal: Principal, way: str, limit: int, after: str = "", address: str = ""
) -> Answer:
    """A page of the studies that a question finds: those where names and identifiers hit first, then descriptions, then
    the rest, then what is only like the words; whole words before beginnings, and the newest first among equals.

    `after` is the cursor of the page before. Who may not get objects, or see reports, is told nothing of what only they say. Raises
    NotAllowed without the right to find, Invalid for a question or cursor that is none.
    """
    principal.require(Right.FIND)
    if Right.GET not in principal.rights or not principal.scope.reports:
        wish = replace(wish, within=_HEADS)
    words = asked(wish)
    bank.reads.search(principal, f"{way}: study by {_kinds(wish)}", address)
    scope = principal.scope
    passes = _passes(wish)
    hits = _graded(bank, passes, scope)
    alike: dict[str, list[str]] = {}
    if words and len(hits) < limit:
        alike = {word.text: bank.index.words.alike(word.text) for word in words}
        nearly = marks_for(wish, Nearness.ALIKE, alike)
        if nearly != passes[-1][1]:
            for hit in bank.index.words.hits(nearly, scope, MOST_HITS):
                if len(hits) < MOST_HITS:
                    hits.setdefault(hit.place, (Nearness.ALIKE, hit))
    start = _start(after, hits)
    page = dict(list(hits.items())[start : start + limit])
    shown = bank.index.words.shown(page, scope)
    matches = tuple(
        Match(place, near, shown[place][0], passages(shown[place][1], wish, alike if near is Nearness.ALIKE else {}))
        for place, (near, _) in page.items()
        if place in shown
    )
    is_last = start + limit >= len(hits)
    cursor = "" if is_last or not page else _cursor(list(page)[-1])
    return Answer(matches, len(hits), len(hits) < MOST_HITS, counts(hit for _, hit in hits.values()), cursor)


_Hits = dict[int, tuple[Nearness, Hit]]


def _passes(wish: Wish) -> list[tuple[Nearness, Marks]]:
    """What is asked for one after the other, the nearest first; the last finds all that the others do."""
    if wish.text.strip() and not asked(wish):
        return []  # signs and no word
    # Without words all that is there is equally near.
    kinds = _EXACT if wish.text.strip() else (Nearness.TEXT,)
    # Whole words first: they mean more, and a frequent one is known at once, while the beginnings that it is one of have
    # to be gathered from all words that begin so.
    both = [(kind, marks_for(wish, kind, is_whole=is_whole)) for kind in kinds for is_whole in (True, False)]
    return [one for number, one in enumerate(both) if one[1] not in [marks for _, marks in both[:number]]]


def _graded(bank: Bank, passes: Sequence[tuple[Nearness, Marks]], scope: Scope) -> _Hits:
    if not passes:
        return {}
    found = bank.index.words.graded([marks for _, marks in passes], scope, MOST_HITS)
    return {hit.place: (passes[number][0], hit) for number, hit in found}


def _kinds(wish: Wish) -> str:
    """By what is searched, for the ledger; what is sought stands nowhere: it may be a name."""
    kinds = ["words"] if wish.text.strip() else []
    return ", ".join([*kinds, *sorted(facet for facet, some in wish.chosen.items() if some)]) or "nothing"


def _cursor(place: int) -> str:
    return base64.urlsafe_b64encode(place.to_bytes(8, "big")).decode().rstrip("=")


def _start(after: str, hits: _Hits) -> int:
    """Where the page begins. A hit that is gone meanwhile leads to the beginning, so that nothing is missed."""
    if not after:
        return 0
    try:
        raw = base64.urlsafe_b64decode(after + "=")
    except ValueError:
        raw = b""
    if len(raw) != 8:
        raise Invalid("the cursor is not one that was given here")
    places = {place: number for number, place in enumerate(hits, 1)}
    return places.get(int.from_bytes(raw, "big"), 0)
