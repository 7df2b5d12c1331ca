"""The search form."""

import pytest

from imagebank.errors import Invalid
from imagebank.model.attribute import catalogue
from imagebank.model.query import Between, Like, OneOf, Words
from imagebank.portal import criteria
from imagebank.portal.criteria import Criteria

CATALOGUE = catalogue()


def asked(**typed: str) -> list[object]:
    return [found.match for found in criteria.query(Criteria(**typed), CATALOGUE).conditions]


def test_an_empty_form_asks_for_everything_a_page_at_a_time() -> None:
    second = criteria.query(Criteria(), CATALOGUE, page=2)

    assert second.conditions == ()
    assert (second.limit, second.offset) == (50, 50)


def test_each_field_narrows() -> None:
    assert asked(name="Müller, an") == [Words(("muller", "an"))]
    assert asked(patient_id="77-04*") == [Like("77-04*")]
    assert asked(date_from="2026-01-01", date_to="2026-02-01") == [Between("20260101", "20260201")]
    assert asked(date_from="2026-01-01") == [Between("20260101", "")]
    assert asked(modality="ct") == [OneOf(("CT",))]
    assert asked(modality=" ct, mr/US ") == [OneOf(("CT", "MR", "US"))]
    assert asked(modality=",") == []
    assert asked(description="Head") == [Like("*head*")]


@pytest.mark.parametrize(
    "typed",
    [{"name": "*,"}, {"date_from": "yesterday"}, {"date_from": "2026-02-01", "date_to": "2026-01-01"}],
)
def test_what_cannot_be_asked_is_said_by_its_field(typed: dict[str, str]) -> None:
    with pytest.raises(Invalid, match=r"^(Name|Date): "):
        criteria.query(Criteria(**typed), CATALOGUE)


def test_typed_words_are_sealed_for_one_session() -> None:
    sought = Criteria(name="Haddad")
    cookie = criteria.seal(sought, "session one")

    assert "Haddad" not in cookie
    assert criteria.unseal(cookie, "session one") == sought
    assert criteria.unseal(cookie, "session two") == Criteria()


@pytest.mark.parametrize("damaged", ["x", "AAAA", "é", "A" * 500])
def test_a_damaged_cookie_seeks_nothing(damaged: str) -> None:
    assert criteria.unseal(damaged, "session one") == Criteria()


def test_long_fields_are_cut_so_that_the_cookie_stays_small() -> None:
    sought = criteria.read({"name": "山" * 1000, "description": "山" * 1000})

    assert len(sought.name) == 64
    assert len(criteria.seal(sought, "s")) < 4_000
