"""What follows from how two records agree."""

from dataclasses import replace
from typing import Any

import pytest

from imagebank.actions.matching import weights
from imagebank.model.identity import Identity
from imagebank.model.identity_comparison import Profile, profile
from imagebank.model.identity_weights import (
    BOTH_CONTRADICT,
    OTHER_BIRTH,
    OTHER_NAME,
    TWO_NAMES,
    Census,
    Verdict,
    Weighed,
    verdict,
    weigh,
)
from imagebank.model.person import PatientId, PersonName

TABLE = weights(None)
NOBODY = Census(0, {})
ADA = Identity(PatientId("north", "1"), PersonName("Varga^Ada"), "19610723", "F", "12 Mill Lane", "01234567890", "Kiss")


def like(name: str = "Varga^Ada", **given: Any) -> Profile:
    return profile(replace(ADA, name=PersonName(name), **given))


def weighed(other: Profile, census: Census = NOBODY) -> Weighed:
    return weigh(TABLE, profile(ADA), other, census)


def test_every_field_says_what_it_weighs() -> None:
    found = weighed(like(sex="M"))

    assert found.score == pytest.approx(sum(each.weight for each in found.evidence))
    assert [each.finding for each in found.evidence] == ["same", "same", "same", "other", "same", "same", "same"]
    assert [each.field for each in found.evidence if each.weight < 0] == ["sex"]


def test_a_rare_name_weighs_more_than_a_common_one() -> None:
    common = Census(1000, {"family varga": 200, "given ada": 3})

    assert weighed(like(), common).score < weighed(like(), Census(1000, {"family varga": 2, "given ada": 3})).score


@pytest.mark.parametrize(
    ("given", "bar"),
    [
        ({}, ""),
        ({"name": "Kiss^Ada"}, ""),
        ({"birth_date": "19610732"}, ""),
        ({"sex": "M", "birth_date": "19820115"}, BOTH_CONTRADICT),
        ({"name": "Varga^Piotr"}, OTHER_NAME),
        ({"name": "Varga"}, OTHER_NAME),
        ({"birth_date": "19820115"}, OTHER_BIRTH),
        ({"birth_date": "19610101"}, OTHER_BIRTH),
        ({"birth_date": ""}, OTHER_BIRTH),
        ({"name": "Varga^Adu", "sex": "M"}, TWO_NAMES),
        ({"name": "Varga^Adu"}, ""),
        ({"name": "Varga^Piroska Ada"}, TWO_NAMES),
        ({"name": "Varga^Ada Piroska"}, ""),
    ],
)
def test_who_may_be_a_relative_is_never_linked_unasked(given: dict[str, str], bar: str) -> None:
    assert weighed(like(**given)).bar == bar


def test_two_names_that_both_exist_are_no_slip() -> None:
    both = Census(1000, {"given ada": 9, "given ida": 9})

    assert weighed(like(name="Varga^Ida"), both).bar == TWO_NAMES
    assert weighed(like(name="Varga^Ida"), Census(1000, {"given ada": 9})).bar == ""


def test_thresholds_rise_with_the_number_of_records() -> None:
    sure = Weighed(TABLE.automatic, (), "")

    assert verdict(TABLE, sure, 10) is Verdict.LINK
    assert verdict(TABLE, sure, 2 * TABLE.population) is Verdict.ASK
    assert verdict(TABLE, replace(sure, bar="a twin"), 10) is Verdict.ASK
    assert verdict(TABLE, Weighed(TABLE.review - 1, (), ""), 10) is Verdict.NOTHING
