"""What text is cut into, what is nearly the same, and what is told of a hit."""

from typing import Any

import pytest

from imagebank.errors import Invalid
from imagebank.model.search import (
    LONGEST_QUESTION,
    Facet,
    Hit,
    Line,
    Mark,
    Nearness,
    Weight,
    Wish,
    asked,
    choices,
    counts,
    document,
    marks_for,
    passages,
)
from imagebank.model.search_likeness import is_near, is_one_slip, is_spelled, sound, triples
from imagebank.model.search_words import joined, words
from imagebank.model.uid import Uid


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CT knee, left; L4/5", ["ct", "knee", "left", "l4", "5"]),
        ("Müller-Lüdenscheidt", ["muller", "ludenscheidt"]),
        ("ΔΙΟΝΥΣΙΟΣ Щукин", ["διονυσιοσ", "щукин"]),
        ("שרון דבורה", ["שרון", "דבורה"]),
        ("山田太郎", ["山田", "田太", "太郎", "郎"]),
        ("山", ["山"]),
        ("ヤマダ ﾔﾏﾀﾞ やまだ", ["やま", "まだ", "だ"] * 3),
        ("홍길동", ["홍길", "길동", "동"]),
        ("1.2.840.10008.1", ["12840100081"]),
        ("1970-04-03 2024-05", ["19700403", "202405"]),
        ("3.4.1970", ["19700403"]),
        ("1.5 v1.2.3", ["1", "5", "v1", "2", "3"]),
        ("½ ㎏ ©", ["12", "kg"]),
        ("हिन्दी", ["हिनदी"]),
        ("، .", []),
        ("x" * 100, ["x" * 64]),
    ],
)
def test_text_is_cut_into_folded_words(text: str, expected: list[str]) -> None:
    assert [word.text for word in words(text, ends=True)] == expected


def test_a_question_has_no_last_sign_alone() -> None:
    assert [word.text for word in words("山田太郎")] == ["山田", "田太", "太郎"]


def test_a_date_with_strokes_may_be_read_in_two_ways() -> None:
    (word,) = words("3/4/1970")

    assert (word.text, word.other) == ("19700403", "19700304")


def test_words_know_where_they_stand() -> None:
    text = "Jörg 山田太郎"
    halves = "ﾔﾏﾀﾞ"

    assert [text[word.start : word.end] for word in words(text)] == ["Jörg", "山田", "田太", "太郎"]
    assert {halves[word.start : word.end] for word in words(halves)} == {halves}, (
        "folding has changed the number of signs"
    )


def test_marks_inside_a_word_may_be_left_out() -> None:
    assert [word.text for word in joined("ADA-4711 plain 山-田")] == ["ada4711"]


@pytest.mark.parametrize(
    "alike",
    [
        ("meyer", "meier", "maier", "mayr"),
        ("schmidt", "schmitt"),
        ("philip", "filip"),
        ("catherine", "katharina", "kathryn"),
        ("yilmaz", "jilmaz"),
        ("axel", "aksel"),
    ],
)
def test_names_that_sound_alike_have_one_sound(alike: tuple[str, ...]) -> None:
    assert len({sound(name) for name in alike}) == 1


def test_what_is_short_or_not_latin_has_no_sound() -> None:
    assert [sound(word) for word in ("li", "山田", "l4x")] == ["", "", ""]
    assert sound("meyer") != sound("keller")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("lovelase", "lovelace", True),
        ("jonh", "john", True),
        ("abdomne", "abdomen", True),
        ("kne", "knee", True),
        ("knees", "knee", True),
        ("same", "same", True),
        ("meyer", "keller", False),
        ("ab", "abcd", False),
        ("abcd", "xbcy", False),
    ],
)
def test_one_slip_makes_no_other_word(one: str, other: str, *, expected: bool) -> None:
    assert is_near(one, other) == expected
    assert is_one_slip(one, other) == is_one_slip(other, one)


def test_numbers_and_short_words_are_not_misspelled() -> None:
    assert [is_spelled(word) for word in ("knee", "ct", "a4711")] == [True, False, False]
    assert triples("ab") == {"  a", " ab", "ab "}


LINES = (
    Line(Weight.REST, "Report", "no fracture of the knee"),
    Line(Weight.DESCRIPTION, "StudyDescription", "Knee left, 3/4/2020"),
    Line(Weight.NAME, "PatientName", "Meyer Ada", is_name=True),
    Line(Weight.NAME, "PatientID", "K-12"),
)


def test_a_word_weighs_as_much_as_where_it_weighs_most() -> None:
    made = document(Uid("1.2"), LINES, {Facet.DEPARTMENT: ["Surgery"], Facet.BODY_PART: ["KNEE"], Facet.DEVICE: []})

    assert {"ameyer", "ak12", "bknee", "cfracture", "b20200403", "b20200304"} <= made.marks
    assert "cknee" not in made.marks
    assert "p" + sound("meyer") in made.marks
    assert made.spelled == {"meyer", "knee", "left"}
    assert [line.weight for line in made.lines] == ["a", "a", "b", "c"]
    assert made.named == {Facet.DEPARTMENT: ("Surgery",), Facet.BODY_PART: ("KNEE",)}


def test_what_is_shown_of_a_study_has_bounds() -> None:
    long = [Line(Weight.REST, "Report", f"{number} " + "words " * 5000) for number in range(5)]
    made = document(Uid("1.2"), long)

    assert [len(line.text) for line in made.lines] == [1000, 1000]
    assert "c4" in made.marks


def texts(wish: Wish, nearness: Nearness, **alike: Any) -> list[list[str]]:
    return [[mark.text + "*" * mark.is_beginning for mark in group] for group in marks_for(wish, nearness, **alike)]


def test_a_question_asks_for_each_word_where_it_weighs_enough() -> None:
    wish = Wish("Knee ct knee", {Facet.SEX: ("F", "M"), Facet.YEAR: ()})

    assert texts(wish, Nearness.NAME)[:2] == [["aknee*"], ["act"]]
    assert texts(wish, Nearness.TEXT)[1] == ["act", "bct", "cct"]
    assert [mark.text for mark in marks_for(wish, Nearness.NAME)[2]] == list(choices({Facet.SEX: ("f", "m", "")}))
    assert marks_for(Wish(), Nearness.TEXT) == ()


def test_a_question_with_slips_asks_for_what_is_like_it() -> None:
    groups = texts(Wish("meyr 12"), Nearness.ALIKE, alike={"meyr": ["meyer"]})

    assert {"ameyer", "ameyr*", "p" + sound("meyer")} <= set(groups[0])
    assert groups[1] == ["a12", "b12", "c12"]
    assert Mark("a12") in marks_for(Wish("12"), Nearness.ALIKE)[0]


def test_a_question_has_bounds() -> None:
    assert len(asked(Wish(" ".join(f"w{number}" for number in range(50))))) == 12
    assert asked(Wish("?!")) == ()
    with pytest.raises(Invalid):
        asked(Wish("x" * (LONGEST_QUESTION + 1)))


def shown(text: str, **alike: list[str]) -> list[tuple[str, list[str]]]:
    lines = document(Uid("1.2"), LINES).lines
    return [
        (one.label, [one.text[start:end] for start, end in one.spans]) for one in passages(lines, Wish(text), alike)
    ]


def test_passages_say_where_the_words_hit() -> None:
    assert shown("kne") == [("StudyDescription", ["Knee"])]
    assert shown("ada fract") == [("PatientName", ["Ada"]), ("Report", ["fracture"])]
    assert shown("k12") == [("PatientID", ["K-12"])]
    assert shown("4/3/2020") == [("StudyDescription", ["3/4/2020"])]
    assert shown("le") == [], "two letters are a word, and no beginning"
    assert shown("meyr", meyr=["meyer"]) == [("PatientName", ["Meyer"])]
    assert shown("maier", maier=[]) == [("PatientName", ["Meyer"])]
    assert shown("knee left meyer fracture ada") == [
        ("PatientName", ["Meyer", "Ada"]),
        ("StudyDescription", ["Knee", "left"]),
        ("Report", ["fracture", "knee"]),
    ]


def test_no_more_than_three_passages_are_shown() -> None:
    lines = [Line(Weight.REST, f"Line {number}", f"word{number}") for number in range(5)]

    assert len(passages(lines, Wish(" ".join(line.text for line in lines)), {})) == 3


def test_hits_are_counted_by_folded_value() -> None:
    hits = [
        Hit(3, ((Facet.DEPARTMENT, "Radiology"), (Facet.SEX, "F"))),
        Hit(2, ((Facet.DEPARTMENT, "RADIOLOGY"), (Facet.SEX, "F"))),
        Hit(1, ((Facet.DEPARTMENT, "Surgery"),)),
    ]

    assert counts(hits)[Facet.DEPARTMENT] == (("Radiology", 2), ("Surgery", 1))
    assert counts(hits)[Facet.SEX] == (("F", 2),)
    assert counts(hits)[Facet.YEAR] == ()


def test_no_passage_is_shown_of_what_may_not_be_searched() -> None:
    lines = [Line(Weight.REST, "Report", "the knee"), Line(Weight.DESCRIPTION, "Study description", "Knee left")]

    assert [shown.label for shown in passages(lines, Wish("knee", within=frozenset({Weight.DESCRIPTION})), {})] == [
        "Study description"
    ]


@pytest.mark.parametrize(
    ("written", "question"),
    [
        ("on 3.4.2020 seen", "2020-04-03"),
        ("1.2.840.10008.1", "1.2.840.10008.1"),
        ("Müller", "mueller muller"),
        ("ADA-4711", "ada4711"),
        ("KNEE.left", "LEFT"),
    ],
)
def test_a_line_that_answers_is_shown_however_it_is_written(written: str, question: str) -> None:
    assert passages([Line(Weight.NAME, "Line", written)], Wish(question), {})
