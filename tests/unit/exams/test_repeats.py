"""Which exams need not be made again."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from imagebank.exams.comparing import likeness
from imagebank.exams.repeats import repeat_of, repeats
from imagebank.model.exam import Asked, Context, Contrast, Exam, Group, Past, Repeat, Side

TABLE, LIKE = repeats(None), likeness(None)
TODAY = date(2026, 11, 2)
ABDOMEN = Exam(Group.CT, ("ABDOMEN",), contrast=Contrast.YES)
TRUNK = Exam(Group.CT, ("ABDOMEN", "CHEST", "PELVIS"), contrast=Contrast.YES)
CHEST_FILM = Exam(Group.XR, ("CHEST",))
KNEE = Exam(Group.MR, ("KNEE",), Side.LEFT)


def found(
    ours: Exam, theirs: Exam, days: int, context: Context = Context.ROUTINE, organization: str = "A"
) -> Repeat | None:
    asked = Asked(ours, TODAY, context, "B", "new")
    return repeat_of(TABLE, LIKE, asked, [Past("old", theirs, TODAY - timedelta(days), organization)])


def test_the_same_exam_two_weeks_later_is_a_repeat() -> None:
    repeat = found(ABDOMEN, ABDOMEN, 14)

    assert repeat is not None
    assert (repeat.past.id, repeat.days, repeat.rule, repeat.severity) == ("old", 14, "CT", "warn")
    assert [each.name for each in repeat.factors][:2] == ["region", "modality"]


def test_an_exam_that_shows_more_answers_and_one_that_shows_less_does_not() -> None:
    assert found(ABDOMEN, TRUNK, 14)
    assert not found(TRUNK, ABDOMEN, 14)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (ABDOMEN, replace(ABDOMEN, contrast=Contrast.NO)),
        (ABDOMEN, replace(ABDOMEN, contrast=Contrast.UNKNOWN)),
        (ABDOMEN, replace(ABDOMEN, kind="angiography")),
        (ABDOMEN, replace(ABDOMEN, group=Group.MR)),
        (ABDOMEN, replace(ABDOMEN, regions=())),
        (replace(ABDOMEN, regions=()), replace(ABDOMEN, regions=())),
        (KNEE, replace(KNEE, side=Side.RIGHT)),
        (KNEE, replace(KNEE, side=Side.UNSAID)),
        (KNEE, replace(KNEE, is_torn=True)),
        (replace(KNEE, is_torn=True), KNEE),
        (Exam(Group.US, ("KIDNEY",), Side.LEFT, is_torn=True), Exam(Group.US, ("KIDNEY",), Side.LEFT)),
        (replace(ABDOMEN, group=Group.OTHER), replace(ABDOMEN, group=Group.OTHER)),
    ],
)
def test_what_does_not_answer_the_question_is_no_repeat(ours: Exam, theirs: Exam) -> None:
    assert found(ours, theirs, 2) is None


def test_one_of_both_sides_answers_for_one() -> None:
    assert found(KNEE, replace(KNEE, side=Side.BOTH), 2)


def test_contrast_that_nobody_asked_for_does_no_harm_where_it_hides_nothing() -> None:
    chest, head = replace(ABDOMEN, regions=("CHEST",)), replace(ABDOMEN, regions=("HEAD",))

    assert found(replace(chest, contrast=Contrast.NO), chest, 2)
    assert found(replace(head, contrast=Contrast.UNKNOWN), head, 2)
    assert not found(replace(head, contrast=Contrast.NO), head, 2)


def test_some_regions_are_one_in_an_order_and_some_answer_for_their_parts() -> None:
    brain, spine = Exam(Group.MR, ("BRAIN",)), Exam(Group.MR, ("SPINE",))

    assert found(brain, replace(brain, regions=("HEAD",)), 2)
    assert found(replace(spine, regions=("LSPINE",)), spine, 2)
    assert not found(replace(spine, group=Group.XR, regions=("LSPINE",)), replace(spine, group=Group.XR), 2)


def test_a_mammogram_is_of_both_sides_unless_it_says_of_which() -> None:
    both = Exam(Group.MG, ("BREAST",), Side.BOTH)

    assert found(both, replace(both, side=Side.UNSAID), 90)
    assert not found(both, replace(both, side=Side.LEFT), 90)


def test_what_has_no_side_in_an_order_is_known_without() -> None:
    kidneys = Exam(Group.US, ("KIDNEY",))

    assert found(kidneys, kidneys, 2)
    assert not found(replace(KNEE, side=Side.UNSAID), replace(KNEE, side=Side.UNSAID), 2)
    assert found(replace(KNEE, side=Side.UNSAID), replace(KNEE, side=Side.BOTH), 2)


def test_windows_are_of_the_first_rule_that_fits() -> None:
    wrist = Exam(Group.XR, ("WRIST",), Side.LEFT)

    assert found(CHEST_FILM, CHEST_FILM, 3)
    assert not found(CHEST_FILM, CHEST_FILM, 4)
    assert found(wrist, wrist, 14)
    assert not found(replace(ABDOMEN, kind="intervention"), replace(ABDOMEN, kind="intervention"), 0)


def test_contexts_ease_or_silence() -> None:
    assert found(ABDOMEN, ABDOMEN, 1, Context.URGENT)
    assert not found(ABDOMEN, ABDOMEN, 1, Context.URGENT, "B")
    assert not found(ABDOMEN, ABDOMEN, 2, Context.URGENT)
    assert not found(ABDOMEN, ABDOMEN, 1, Context.FOLLOWUP)
    assert found(ABDOMEN, ABDOMEN, 2, Context.PREOP)


def test_what_words_say_of_the_reason_counts_where_the_order_calls_itself_routine() -> None:
    control = replace(ABDOMEN, purpose="followup")

    assert not found(control, ABDOMEN, 1)
    assert found(control, ABDOMEN, 1, Context.SCREENING)
    assert found(replace(ABDOMEN, purpose="pain"), ABDOMEN, 1)


def test_screening_of_the_lungs_has_a_year() -> None:
    lungs = Exam(Group.CT, ("LUNG",))

    assert found(lungs, lungs, 300, Context.SCREENING)
    assert not found(lungs, lungs, 300)


def test_the_newest_of_several_is_told_and_what_is_later_is_not() -> None:
    history = [Past(str(days), ABDOMEN, TODAY - timedelta(days)) for days in (-3, 30, 14, 40)]

    repeat = repeat_of(TABLE, LIKE, Asked(ABDOMEN, TODAY, id="new"), history)

    assert repeat is not None
    assert repeat.past.id == "14"
    assert repeat_of(TABLE, LIKE, Asked(ABDOMEN, TODAY, id="14"), [history[2]]) is None
    assert repeat_of(TABLE, LIKE, Asked(ABDOMEN, TODAY), [Past("undated", ABDOMEN, None)]) is None


def test_bone_density_is_known_without_a_side() -> None:
    density = Exam(Group.OTHER, ("HIP",), kind="densitometry")
    assert found(density, density, days=300) is not None


def test_a_mammogram_for_diagnosis_is_called_for_by_the_one_of_screening() -> None:
    diagnostic = Exam(Group.MG, ("BREAST",))
    screening = replace(diagnostic, kind="screening")
    assert found(diagnostic, screening, days=14) is None
    assert found(screening, screening, days=14) is not None


def test_veins_do_not_answer_for_arteries_and_either_answers_a_duplex() -> None:
    duplex = Exam(Group.US, ("LEG",), Side.LEFT, kind="duplex")
    veins, arteries = replace(duplex, kind="veins"), replace(duplex, kind="arteries")
    assert found(arteries, veins, days=2) is None
    assert found(veins, veins, days=2) is not None
    assert found(veins, duplex, days=2) is not None
