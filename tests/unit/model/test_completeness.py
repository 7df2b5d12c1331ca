"""Whether a study is whole: what was announced, against what has come."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from imagebank.model.completeness import Completeness, Lack, Progress, Standing
from imagebank.model.completeness_judging import OPEN_LONGEST, Received, ReceivedSeries, judged
from imagebank.model.expectation import Expectation, ExpectedSeries, Origin
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUIET = timedelta(minutes=5)
LONG_AGO = NOW - timedelta(days=1)
STUDY, ADA = Uid("1.2"), PatientId("north", "ADA")
NOTHING = Received(STUDY, "north", ADA)
WORD = Expectation(STUDY, "north", ADA, Origin.MPPS, "9", LONG_AGO, "CT1", modality="CT")


def images(*numbers: int, series: str = "1.2.1", **about: object) -> ReceivedSeries:
    """A series whose images are named by their numbers."""
    given = {"modality": "CT", "number": "2", "numbers": numbers} | about
    return ReceivedSeries(series, instances=frozenset(f"i{one}" for one in numbers), **given)  # type: ignore[arg-type]


def here(*series: ReceivedSeries, last_at: datetime = LONG_AGO, **about: object) -> Received:
    return replace(NOTHING, series=series, last_at=last_at, **about)  # type: ignore[arg-type]


def named(*numbers: int, series: str = "1.2.1") -> tuple[ExpectedSeries, ...]:
    return (ExpectedSeries(series, tuple(f"i{one}" for one in numbers)),)


def said(received: Received, *words: Expectation, at: datetime = NOW) -> Completeness:
    found = judged(received, words, at, QUIET).said
    assert found is not None
    return found


def test_nobody_said_anything_of_a_study_that_is_quiet() -> None:
    found = said(here(images(1, 2, 3)))

    assert found.standing == Standing(Progress.UNKNOWN)
    assert (found.received, found.modalities, found.origins) == (3, ("CT",), ())


def test_what_came_a_moment_ago_goes_on_to_come_and_is_looked_at_again() -> None:
    judgement = judged(here(images(1), last_at=NOW - timedelta(minutes=2)), [], NOW, QUIET)

    assert judgement.said is not None
    assert judgement.said.standing == Standing(Progress.ARRIVING)
    assert judgement.again_at == NOW + timedelta(minutes=3)


def test_of_named_images_those_that_did_not_come_are_missing() -> None:
    word = replace(WORD, series=named(1, 2, 3, 4) + named(7, 8, series="1.2.2"))
    found = said(here(images(1, 2)), word)

    assert found.standing == Standing(Progress.MISSING, 6, 4)
    assert found.lacks == (
        Lack(Origin.MPPS, "CT1", 2, 4, "1.2.1", "2", instances=("i3", "i4")),
        Lack(Origin.MPPS, "CT1", 2, 2, "1.2.2", instances=("i7", "i8")),
    )
    assert found.origins == (Origin.MPPS,)


def test_when_all_that_was_named_is_here_a_study_is_complete_without_waiting() -> None:
    judgement = judged(here(images(1, 2), last_at=NOW), [replace(WORD, said_at=NOW, series=named(1, 2))], NOW, QUIET)

    assert judgement.said is not None
    assert judgement.said.standing == Standing(Progress.COMPLETE, 2)
    assert judgement.again_at is None


def test_an_exam_that_goes_on_keeps_its_study_arriving_for_half_a_day() -> None:
    going_on = replace(WORD, said_at=NOW - timedelta(hours=1), is_final=False, series=named(1, 2))
    judgement = judged(here(images(1, 2)), [going_on], NOW, QUIET)

    assert judgement.said is not None
    assert judgement.said.standing == Standing(Progress.ARRIVING, 2)
    assert judgement.again_at == going_on.said_at + OPEN_LONGEST
    assert said(here(images(1, 2)), going_on, at=NOW + OPEN_LONGEST).standing.progress is Progress.COMPLETE


def test_an_image_that_lies_in_another_study_is_not_missing() -> None:
    word = replace(WORD, series=named(1, 2, 3))

    assert said(here(images(1, 2), held=frozenset({"i3"})), word).standing.progress is Progress.COMPLETE
    assert judged(replace(NOTHING, held=frozenset({"i1", "i2", "i3"})), [word], NOW, QUIET).said is None


def test_counts_are_believed_where_nothing_is_named() -> None:
    counted = replace(WORD, origin=Origin.MEDIA, by="CD 4", series=(ExpectedSeries("1.2.1", count=5),))

    assert said(here(images(1, 2, 3)), counted).lacks == (Lack(Origin.MEDIA, "CD 4", 2, 5, "1.2.1", "2"),)
    assert said(here(images(1, 2, 3, 4, 5)), counted).standing.progress is Progress.COMPLETE


def test_who_announces_most_of_a_series_is_named() -> None:
    less = replace(WORD, series=named(1, 2, 3), by="CT1")
    more = replace(WORD, series=named(1, 2, 3, 4, 5), by="CD", origin=Origin.MEDIA)

    (lack,) = said(here(images(1, 2)), less, more).lacks
    assert (lack.by, lack.missing) == ("CD", 3)


def test_headers_tell_how_many_there_are() -> None:
    series = replace(images(1, 2), announced=4)

    assert said(here(series)).lacks == (Lack(Origin.HEADER, "", 2, 4, "1.2.1", "2"),)
    assert said(here(replace(images(1, 2), announced=2))).standing == Standing(Progress.COMPLETE, 2)
    (whole,) = said(here(images(1, 2), announced=5)).lacks
    assert whole == Lack(Origin.HEADER, "", 3, 5)
    (both,) = said(here(series, announced=4)).lacks
    assert both.series == "1.2.1", "what a series lacks is not told twice"


def test_a_series_that_never_came_is_told_apart_from_its_images() -> None:
    assert said(here(images(1, 2), announced_series=3)).lacks == (Lack(Origin.HEADER, "", 2, 3, unit="series"),)
    known = said(here(images(1, 2), announced_series=2), replace(WORD, series=named(9, series="1.2.2")))
    assert [one.unit for one in known.lacks] == ["image"]


@pytest.mark.parametrize(
    ("numbers", "gap"),
    [
        ((1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 15), "7 to 9"),
        ((5, 6, 8, 9, 10, 11, 13, 14), "7, 12"),
        ((1, 2, 3, 4), ""),
        ((10, 20, 30, 40, 50), ""),
        ((1, 2, 3, 101, 102, 103), ""),
        ((1, 3, 4), ""),
    ],
)
def test_a_gap_in_the_numbers_of_slices_is_said_and_never_certain(numbers: tuple[int, ...], gap: str) -> None:
    found = said(here(images(*numbers)))

    assert [one.numbers for one in found.lacks] == ([gap] if gap else [])
    assert found.standing.is_certain is not bool(gap)
    assert found.standing.progress is (Progress.MISSING if gap else Progress.UNKNOWN)


def test_numbers_tell_nothing_of_other_modalities_nor_where_somebody_said_more() -> None:
    gappy = images(1, 2, 3, 5, 6, 7)

    assert said(here(replace(gappy, modality="US"))).lacks == ()
    assert said(here(gappy), replace(WORD, series=named(1, 2, 3, 5, 6, 7))).lacks == ()


def test_what_was_deleted_here_is_not_missing() -> None:
    gone = replace(WORD, origin=Origin.DELETION, series=named(3))
    word = replace(WORD, series=named(1, 2, 3))

    assert said(here(images(1, 2)), word, gone).standing.progress is Progress.COMPLETE
    assert said(here(replace(images(1, 2), announced=3), announced=3), gone).standing.progress is Progress.COMPLETE
    assert said(here(images(1, 2, 4, 5)), gone).lacks == ()
    assert judged(NOTHING, [gone], NOW, QUIET).said is None


def test_who_settles_a_study_is_believed_until_something_new_is_announced() -> None:
    word = replace(WORD, series=named(1, 2, 3, 4))
    settled = replace(WORD, origin=Origin.PERSON, by="Ana", said_at=NOW - timedelta(hours=1), reason="patient left")
    gappy = here(replace(images(1, 2, 3, 5, 6), announced=9), announced=9, announced_series=4)

    found = said(gappy, word, settled)
    assert found.standing == Standing(Progress.COMPLETE, 5)
    assert found.settled is not None
    assert (found.settled.by, found.settled.reason) == ("Ana", "patient left")
    later = said(gappy, word, settled, replace(word, key="10", said_at=NOW - timedelta(minutes=30)))
    assert later.standing.missing == 1
    coming = said(replace(gappy, last_at=NOW), settled)
    assert coming.standing.progress is Progress.ARRIVING


def test_a_study_that_never_came_is_missing_by_the_word_that_announced_it() -> None:
    order = replace(WORD, origin=Origin.ORDER, by="F1", accession="A1")

    found = said(NOTHING, order)
    assert (found.standing, found.is_here) == (Standing(Progress.MISSING), False)
    assert found.lacks == (Lack(Origin.ORDER, "F1", 1, 1, unit="study"),)
    assert (found.accession, found.date, found.modalities) == ("A1", "20260228", ("CT",))
    planned = said(NOTHING, replace(order, is_certain=False))
    assert not planned.standing.is_certain
    assert said(NOTHING, replace(WORD, series=named(1, 2))).standing == Standing(Progress.MISSING, 2, 2)


def test_an_exam_that_has_just_begun_has_a_study_that_is_arriving() -> None:
    begun = replace(WORD, said_at=NOW, is_final=False)

    assert said(NOTHING, begun).standing == Standing(Progress.ARRIVING)
    assert judged(NOTHING, [begun], NOW + OPEN_LONGEST + QUIET, QUIET).said is None
    settled = replace(WORD, origin=Origin.PERSON)
    assert judged(NOTHING, [settled], NOW, QUIET).said is None
