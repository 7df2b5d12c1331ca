"""Which earlier exams are worth comparing, and in which order."""

from dataclasses import replace
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from imagebank.errors import Invalid
from imagebank.exams.comparing import Likeness, LookBack, factors, likeness
from imagebank.exams.priors import ranked
from imagebank.exams.tables import Part
from imagebank.model.exam import Asked, Contrast, Exam, Group, Past, Side

LIKE = likeness(None)
TABLE = LIKE.table
TODAY = date(2026, 11, 2)


def exam(group: Group, *regions: str, side: Side = Side.UNSAID, contrast: Contrast = Contrast.UNKNOWN) -> Exam:
    return Exam(group, regions, side, contrast)


def past(name: str, days: int, what: Exam, organization: str = "") -> Past:
    return Past(name, what, TODAY - timedelta(days), organization)


def ids(ours: Exam, *history: Past) -> list[str]:
    return [prior.past.id for prior in ranked(LIKE, Asked(ours, TODAY), history)]


HEAD_CT = exam(Group.CT, "HEAD")
LEFT_KNEE = exam(Group.XR, "KNEE", side=Side.LEFT)


def test_the_newest_of_the_same_kind_is_first() -> None:
    assert ids(HEAD_CT, past("older", 400, HEAD_CT), past("newer", 14, HEAD_CT)) == ["newer", "older"]


def test_the_same_means_somewhat_older_goes_before_other_means() -> None:
    mr = exam(Group.MR, "BRAIN")

    assert ids(exam(Group.CT, "BRAIN"), past("mr", 10, mr), past("ct", 300, exam(Group.CT, "BRAIN"))) == ["ct", "mr"]


def test_other_parts_and_other_sides_are_left_out() -> None:
    right = replace(LEFT_KNEE, side=Side.RIGHT)
    both = replace(LEFT_KNEE, side=Side.BOTH)
    unsaid = replace(LEFT_KNEE, side=Side.UNSAID)
    foot = exam(Group.XR, "FOOT", side=Side.LEFT)
    history = (past("right", 1, right), past("both", 2, both), past("unsaid", 3, unsaid), past("foot", 4, foot))
    torn = past("torn", 1, replace(LEFT_KNEE, is_torn=True))

    assert ids(LEFT_KNEE, *history) == ["both", "unsaid"]
    assert ids(LEFT_KNEE, torn, *history) == ["both", "torn", "unsaid"]


def test_the_other_breast_is_compared() -> None:
    left, right = exam(Group.MG, "BREAST", side=Side.LEFT), exam(Group.MG, "BREAST", side=Side.RIGHT)

    assert ids(left, past("right", 365, right)) == ["right"]


def test_what_lies_around_and_what_lies_inside_is_compared() -> None:
    wide, part = exam(Group.CT, "CHEST", "ABDOMEN", "PELVIS"), exam(Group.CT, "LIVER")
    near = exam(Group.CT, "GALLBLADDER")

    assert ids(exam(Group.CT, "ABDOMEN"), past("wide", 1, wide), past("part", 1, part)) == ["wide", "part"]
    assert ids(part, past("near", 1, near), past("wide", 1, wide)) == ["wide", "near"]


def test_whole_bodies_show_every_part() -> None:
    assert ids(exam(Group.CT, "LUNG"), past("whole", 30, exam(Group.PT, "WHOLEBODY"))) == ["whole"]


def test_an_exam_of_an_unknown_part_is_last_and_not_hidden() -> None:
    assert ids(HEAD_CT, past("unknown", 1, exam(Group.CT)), past("old", 3000, HEAD_CT)) == ["old", "unknown"]


def test_an_exam_without_a_date_comes_after_those_of_the_same_kind() -> None:
    undated = Past("undated", HEAD_CT, None)

    assert ids(HEAD_CT, undated, past("dated", 900, HEAD_CT)) == ["dated", "undated"]


def test_what_is_later_and_the_exam_itself_are_no_priors() -> None:
    asked = Asked(HEAD_CT, TODAY, id="mine")
    history = [past("later", -1, HEAD_CT), past("mine", 0, HEAD_CT), past("today", 0, HEAD_CT)]

    assert [prior.past.id for prior in ranked(LIKE, asked, history)] == ["today"]


def test_what_is_too_old_to_help_is_left_out_where_the_table_says_so() -> None:
    rows = (LookBack((Group.CT, Group.US), 1000), LookBack((Group.US,), 0, ("BREAST",)))
    like = Likeness(msgspec.structs.replace(TABLE, look_back=rows), LIKE.parts)
    mammogram, us = exam(Group.MG, "BREAST"), exam(Group.US, "BREAST")

    def told(ours: Exam, *history: Past) -> list[str]:
        return [prior.past.id for prior in ranked(like, Asked(ours, TODAY), history)]

    assert told(HEAD_CT, past("old", 1001, HEAD_CT), past("young", 999, HEAD_CT)) == ["young"]
    assert told(mammogram, past("mg", 9000, mammogram), past("us", 9000, us)) == ["mg", "us"]


def test_groups_are_compared_by_the_row_that_names_the_part() -> None:
    elbow = factors(LIKE, exam(Group.XR, "ELBOW"), exam(Group.CT, "ELBOW"))
    abdomen = factors(LIKE, exam(Group.XR, "ABDOMEN"), exam(Group.CT, "ABDOMEN"))
    teeth = factors(LIKE, exam(Group.DENTAL, "TOOTH"), exam(Group.ECG, "TOOTH"))

    assert [(each[1].name, each[1].weight) for each in (elbow, abdomen, teeth)] == [
        ("modality", 0.55),
        ("modality", 0.35),
        ("modality", 0.0),
    ]


def test_contrast_and_kind_are_reasons() -> None:
    plain = exam(Group.CT, "HEAD", contrast=Contrast.NO)
    given = exam(Group.CT, "HEAD", contrast=Contrast.YES)
    vessels = replace(given, kind="angiography")
    told = {
        each.past.id: {one.name: one.weight for one in each.factors}
        for each in ranked(
            LIKE,
            Asked(given, TODAY),
            [past("plain", 1, plain), past("vessels", 1, vessels), past("unsaid", 1, HEAD_CT)],
        )
    }

    assert told["plain"]["contrast"] == TABLE.weights.other_contrast
    assert told["unsaid"]["contrast"] == TABLE.weights.unsaid_contrast
    assert told["vessels"]["kind"] == TABLE.weights.other_kind


def test_every_prior_says_its_reasons() -> None:
    (prior,) = ranked(LIKE, Asked(HEAD_CT, TODAY, organization="B"), [past("ct", 14, HEAD_CT, "A")])

    assert [(each.name, each.ours, each.theirs) for each in prior.factors] == [
        ("region", "HEAD", "HEAD"),
        ("modality", "CT", "CT"),
        ("side", "", ""),
        ("contrast", "unknown", "unknown"),
        ("kind", "", ""),
        ("age", "", "14"),
        ("organization", "B", "A"),
    ]
    assert 0 < prior.score <= 1


def test_no_more_are_told_than_the_table_says() -> None:
    history = [past(str(number), number, HEAD_CT) for number in range(TABLE.most + 5)]

    assert len(ids(HEAD_CT, *history)) == TABLE.most


def test_parts_that_lie_in_each_other_end_somewhere() -> None:
    like = Likeness(TABLE, {"HAND": Part(("ARM",)), "ARM": Part(("HAND",))})

    assert like.around["HAND"] == {"ARM", "HAND"}


BUILT_IN = (files("imagebank.exams") / "comparing.toml").read_text("utf-8")


def test_a_site_has_a_table_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "priors.toml"
    file.write_text(BUILT_IN.replace("most = 50", "most = 3"), "utf-8")

    assert likeness(file).table.most == 3


@pytest.mark.parametrize(
    ("line", "instead", "place"),
    [
        ("least = 0.2 ", "least = 2.0 ", "least"),
        ('regions = ["FEMUR", "HIP"]', 'regions = ["FEMUR"]', "near"),
        ("most = 50", "mots = 50", "mots"),
    ],
)
def test_a_wrong_table_is_refused_with_its_file_and_place(line: str, instead: str, place: str, tmp_path: Path) -> None:
    file = tmp_path / "priors.toml"
    file.write_text(BUILT_IN.replace(line, instead), "utf-8")

    with pytest.raises(Invalid, match=r"priors\.toml: .*" + place):
        likeness(file)
