"""Pages of what is found by a name, on both databases: every study of it once, the newest first, and only what is let out."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

import pytest

from contracts.described import a_kept, asked, studies
from contracts.indexes import opened
from imagebank.model.access import Asker, Clause, Purpose, Role, Scope
from imagebank.model.attribute import Level
from imagebank.model.imaging import Selection
from imagebank.model.query import Condition, Query
from imagebank.model.uid import Uid
from imagebank.storage import names
from imagebank.storage.index import SQLIndex
from imagebank.storage.rows import TEXT_LIMIT
from schema import migrated_database, migrated_file

ALL: Final = Scope(None)
NORTH: Final = Scope.of("north")
ASKER: Final = Asker("ann", Role.CLINICIAN, "north", Purpose.TREATMENT, datetime(2026, 1, 1, tzinfo=UTC))
CLINICIAN: Final = Scope(frozenset({"north"}), denies=(Clause(modalities=frozenset({"MR"})),), asker=ASKER)
NAMES: Final = (
    "Smith^Ann",
    "Smithers^Bob",
    "Goldsmith^Eve",
    "Klein^Zoë",
    "Smith",
    "Yamada^Tarou=Smith^X=やまだ^たろう",
)
WAYS: Final[dict[str, dict[str, int]]] = {
    "few have it": {},
    "more than few have it": {"FEW": 2, "BEGIN_SO": 2, "MANY": 2},
}
PATTERNS: Final = ("smith*", "*smith*", "*mith^*", "smith^*", "?mith*", "*it*", "*kle*zo*", "*nobody*", "s*")


class Told(NamedTuple):
    """What a study was entered with."""

    uid: str
    name: str
    date: str
    time: str
    organization: str
    modality: str


def told() -> Iterator[Told]:
    """Sixty studies on a few days, many at one moment, some without a time and some without a date."""
    for n in range(60):
        date = ("20250103", "20250103", "20250102", "20240105", "")[n % 5 if n < 50 else 0]
        time = ("101500.000000", "", "070000.000000")[n % 3 if n < 50 else 0]
        organization, modality = ("north", "south")[n % 4 == 3], ("CT", "MR")[n % 7 == 2]
        yield Told(f"1.{n * 7919 % 1000}", NAMES[n % len(NAMES)], date, time, organization, modality)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLIndex]:
    with ExitStack() as stack:
        if request.param == "sqlite":
            address = migrated_file(tmp_path_factory.mktemp("names") / "index.db")
        else:
            address = stack.enter_context(migrated_database(request.getfixturevalue("postgres")))
        index = stack.enter_context(opened(address))
        with index.begin() as tx:
            tx.enter([_kept(one) for one in told()])
        yield index


def _kept(one: Told) -> Any:
    return a_kept(
        study=one.uid,
        patient=one.uid,
        organization=one.organization,
        PatientName=one.name,
        StudyDate=one.date or None,
        StudyTime=one.time or None,
        Modality=one.modality,
    )


def wanted(pattern: str, scope: Scope) -> list[str]:
    """The studies of a name in their order, as they are told without any database."""
    found = [one for one in told() if _is_named(one.name, pattern) and (scope is ALL or one.organization == "north")]
    found = [one for one in found if scope is not CLINICIAN or one.modality != "MR"]
    by_uid = sorted(found, key=lambda one: one.uid)
    return [one.uid for one in sorted(by_uid, key=lambda one: (one.date, one.time), reverse=True)]


def _is_named(name: str, pattern: str) -> bool:
    groups = [group.lower().replace("ë", "e") for group in name.split("=")]
    forms = {pattern, pattern.removesuffix("^*")}
    return any(fnmatchcase(group, form) for group in groups for form in forms)


def page(index: SQLIndex, scope: Scope, limit: int, offset: int, *conditions: Condition) -> list[str]:
    query = studies(*conditions, limit=limit, offset=offset)
    return [one.attributes["0020000D"]["Value"][0] for one in index.find(query, scope)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scope", [ALL, NORTH, CLINICIAN], ids=["everything", "an organization's", "a clinician's"])
def test_pages_of_a_name_hold_each_study_once_and_the_newest_first(
    filled: SQLIndex, scope: Scope, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bound, number in WAYS[way].items():
        monkeypatch.setattr(names, bound, number)
    for pattern in PATTERNS:
        whole = wanted(pattern, scope)
        name = asked("PatientName", pattern)
        for limit in (1, 7, 30, 200):
            pages = [page(filled, scope, limit, offset, name) for offset in range(0, 3 * limit, limit)]
            assert pages == [whole[at : at + limit] for at in range(0, 3 * limit, limit)], (pattern, limit)


@pytest.mark.parametrize("tied", [1, 2, 40])
def test_studies_of_one_moment_come_by_their_uids_however_many_there_are(
    filled: SQLIndex, tied: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "_TIED", tied)
    for pattern in ("smith*", "*smith*"):
        assert [page(filled, ALL, 4, at, asked("PatientName", pattern)) for at in (0, 4, 8)] == [
            wanted(pattern, ALL)[at : at + 4] for at in (0, 4, 8)
        ]


def test_a_name_is_sought_with_what_else_is_asked(filled: SQLIndex) -> None:
    name, whole, by_uid = asked("PatientName", "*smith*"), wanted("*smith*", ALL), {one.uid: one for one in told()}
    that_day = [uid for uid in whole if by_uid[uid].date == "20240105"]
    mr = [uid for uid in whole if by_uid[uid].modality == "MR"]
    ann = [uid for uid in whole if by_uid[uid].name == "Smith^Ann"]

    assert page(filled, ALL, 5, 0, name, asked("StudyDate", "20240105")) == that_day[:5]
    assert page(filled, ALL, 5, 0, name, asked("ModalitiesInStudy", "MR")) == mr[:5]
    assert page(filled, ALL, 3, 3, name, asked("ModalitiesInStudy", "MR")) == mr[3:6]
    assert page(filled, ALL, 9, 0, asked("PatientName", "smi an", fuzzy=True)) == ann[:9]


def test_of_few_studies_those_of_a_name_are_found(filled: SQLIndex) -> None:
    oldest = wanted("smith*", ALL)[-2:]
    few = replace(ALL, studies=frozenset(map(Uid, oldest)))

    assert page(filled, few, 5, 0, asked("PatientName", "smith*")) == oldest


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scope", [ALL, NORTH, CLINICIAN], ids=["everything", "an organization's", "a clinician's"])
def test_counting_ends_where_it_is_told_to(
    filled: SQLIndex, scope: Scope, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for bound, number in WAYS[way].items():
        monkeypatch.setattr(names, bound, number)
    for pattern in PATTERNS:
        whole = len(wanted(pattern, scope))
        query = studies(asked("PatientName", pattern), limit=2)
        patients = Query(Level.PATIENT, query.conditions)
        assert filled.count(query, scope) == filled.count(patients, scope) == whole
        for most in (1, 7, 60):
            assert filled.count(query, scope, most) == filled.count(patients, scope, most) == min(whole, most)


def test_the_longest_name_is_kept_and_found(filled: SQLIndex) -> None:
    long = "".join(chr(0x20000 + n * 37 % 40_000) for n in range(TEXT_LIMIT + 10))
    with filled.begin() as tx:
        tx.enter([_kept(Told("2.1", f"{long}={long}={long}", "", "", "far" * 20, "CT"))])

    assert page(filled, ALL, 5, 0, asked("PatientName", f"{long[:20]}*")) == ["2.1"]
    assert page(filled, ALL, 5, 0, asked("PatientName", f"*{long[40:60]}*")) == ["2.1"]
    with filled.begin() as tx:
        tx.remove(Selection(study=Uid("2.1")), ALL)
