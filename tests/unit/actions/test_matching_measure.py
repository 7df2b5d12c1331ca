"""Measuring matching on people who do not exist: the same for a seed, and true to what was counted."""

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from imagebank.actions import matching_measure
from imagebank.actions.matching import weights
from imagebank.actions.matching_measure import Measured, measure
from imagebank.actions.matching_report import WORDS, as_json, as_markdown, as_svg
from imagebank.actions.population import Record, population

CONTACT = frozenset({"address", "phone", "mother"})


@pytest.fixture(scope="module")
def measured() -> Measured:
    seen: list[tuple[int, int]] = []
    made = measure(weights(None), 3_000, 7, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(0, made.records), (1000, made.records), (2000, made.records), *seen[3:]]
    return made


@pytest.fixture(scope="module")
def people() -> list[Record]:
    return list(population(6_000, 3))


def test_a_seed_makes_one_population(people: list[Record]) -> None:
    assert list(population(6_000, 3)) == people
    assert list(population(6_000, 4)) != people


def test_every_error_and_every_kin_is_met(people: list[Record]) -> None:
    assert {error for record in people for error in record.errors} | {"none"} == WORDS.keys()
    assert {record.kin for record in people} == {"", "household", "twin", "namesake"}


def test_each_organization_has_one_record_of_somebody_at_most(people: list[Record]) -> None:
    assert len({record.identity.patient for record in people}) == len(people)


def test_fields_can_be_left_out() -> None:
    bare = [record.identity for record in population(100, 1, CONTACT)]

    assert {(each.address, each.phone, each.mother) for each in bare} == {("", "", "")}


def test_matching_reaches_its_goals(measured: Measured) -> None:
    assert measured.precision >= 0.999
    assert measured.recall >= 0.95
    assert measured.recall_alone < measured.recall


def test_what_was_counted_fits_together(measured: Measured) -> None:
    assert measured.linked - measured.wrong <= measured.found <= measured.true
    assert measured.asked_true <= measured.asked
    assert sum(sum(pair) for pair in measured.scores.values()) == measured.compared
    assert all(kind.linked <= kind.found <= kind.pairs for kind in measured.kinds)


def test_a_careless_table_is_told_what_it_does() -> None:
    table = weights(None)
    careless = measure(replace(table, automatic=-5.0, review=-20.0), 5_000, 7)

    assert 0 < careless.wrong == sum(careless.wrong_by.values())
    assert "| of these wrong | " + f"{careless.wrong:,} (" in as_markdown(careless)


def test_a_key_that_too_many_share_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching_measure, "CANDIDATES", -1)
    blind = measure(weights(None), 300, 7)

    assert (blind.compared > 0, blind.found < blind.true) == (False, True)


def test_nothing_to_find_is_all_found() -> None:
    empty = measure(weights(None), 1, 1)
    alone = replace(empty, true=0, linked=0, found=0)

    assert (alone.precision, alone.recall, alone.recall_alone) == (1.0, 1.0, 1.0)


def test_the_report_has_every_figure(measured: Measured) -> None:
    page, facts = as_markdown(measured), json.loads(json.dumps(as_json(measured)))

    assert f"| precision of automatic links | {measured.precision:.5f} |" in page
    assert page.count("\n| ") == 2 + 10 + len(measured.kinds)
    assert (facts["precision"], facts["records"]) == (round(measured.precision, 5), measured.records)
    assert "without address, mother, phone" in as_markdown(replace(measured, without=tuple(sorted(CONTACT))))


def test_the_picture_has_a_bar_for_each_score_and_both_thresholds(measured: Measured) -> None:
    picture = ET.fromstring(as_svg(measured))
    space = "{http://www.w3.org/2000/svg}"
    bars = sum(bool(number) for pair in measured.scores.values() for number in pair)

    assert len(picture.findall(f"{space}rect")) == bars + 1
    assert len(picture.findall(f"{space}line")) == 2
