"""Questions and scopes that reach the index in rarer ways."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.described import EVERYTHING, a_kept, asked, at, digest_of, studies
from imagebank.model.access import Scope
from imagebank.model.attribute import Attribute, Level, catalogue
from imagebank.model.event import Act, Event
from imagebank.model.imaging import Location, Selection, Source
from imagebank.model.query import Between, Condition, Like, Match, Query
from imagebank.model.uid import Uid
from imagebank.storage.database import open_database
from imagebank.storage.index import SQLIndex
from imagebank.storage.migrate import migrate
from schema import migrated_file

ALL = Scope(organizations=None)
REQUESTER = (0x00400275, 0x00321032)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SQLIndex]:
    database = open_database(migrated_file(tmp_path / "index.db"))
    migrate(database)
    opened = SQLIndex(database, EVERYTHING)
    yield opened
    opened.close()


def found(index: SQLIndex, query: Query) -> list[str]:
    return [one.attributes["0020000D"]["Value"][0] for one in index.find(query, ALL)]


@pytest.mark.parametrize(
    ("dates", "times", "expected"),
    [
        ("20260102-20260103", "1200-", ["1.3", "1.2"]),
        ("20260102-20260103", "-0900", ["1.2", "1.1"]),
        ("20260102-", "1200-0900", ["1.3", "1.2"]),
        ("-20260103", "1200-0900", ["1.2", "1.1"]),
    ],
)
def test_a_span_of_date_and_time_may_be_open_at_an_end(
    index: SQLIndex, dates: str, times: str, expected: list[str]
) -> None:
    with index.begin() as tx:
        tx.enter([
            a_kept(study="1.1", StudyDate="20260102", StudyTime="0800"),
            a_kept(study="1.2", StudyDate="20260102", StudyTime="1300"),
            a_kept(study="1.3", StudyDate="20260103", StudyTime="1000"),
        ])  # fmt: skip

    assert found(index, studies(asked("StudyDate", dates), asked("StudyTime", times), combined=True)) == expected


def test_instances_are_found_by_the_transfer_syntax_they_are_kept_in(index: SQLIndex) -> None:
    with index.begin() as tx:
        tx.enter([a_kept(study="1.1")])

    for uid, count in (("1.2.840.10008.1.2.1", 1), ("1.2.840.10008.1.2", 0)):
        query = Query(Level.INSTANCE, (asked("AvailableTransferSyntaxUID", uid),))
        assert index.count(query, ALL) == count


@pytest.mark.parametrize("match", [Like("*"), Like("1?"), Between("1", "99")])
@pytest.mark.parametrize("keyword", ["InstanceNumber", "NumberOfStudyRelatedInstances"])
def test_numbers_are_matched_by_value_only(index: SQLIndex, keyword: str, match: Match) -> None:
    with index.begin() as tx:
        tx.enter([a_kept(InstanceNumber=10)])
    query = Query(Level.INSTANCE, (Condition(EVERYTHING.by_keyword[keyword], match),))

    assert index.count(query, ALL) == 0, "PS3.4 C.2.2.2.4 and C.2.2.2.5 know neither wildcards nor ranges of numbers"


def test_a_scope_of_studies_shows_what_happened_to_them_and_no_quarantine(index: SQLIndex) -> None:
    with index.begin() as tx:
        tx.record([Event(at(n), Act.VIEWED, "Dr Varga", "north", study=Uid(f"1.{n}")) for n in (1, 2)])
        tx.quarantine("odd", "a.dcm", Source("dimse", "CT1", "north"), at(3), Location("s", 0, 9, 9), digest_of("odd"))
    scope = Scope(organizations=None, studies=frozenset({Uid("1.2")}))

    assert [event.study for event in index.events(scope)] == ["1.2"]
    assert [event.study for event in index.events(ALL)] == ["1.2", "1.1"]
    assert index.quarantined(scope) == []
    assert len(index.quarantined(ALL)) == 1


def test_the_series_of_a_study_a_series_and_an_instance_are_known_with_their_versions(index: SQLIndex) -> None:
    with index.begin() as tx:
        tx.enter([a_kept(study="1.1", series=f"1.1.{n}", uid=f"1.1.{n}.1") for n in (1, 2)])
        tx.enter([a_kept(study="1.2")])
    asked_for = (Selection(study=Uid("1.1")), Selection(series=Uid("1.1.2")), Selection(instance=Uid("1.1.1.1")))

    assert [sorted(series for _, series, _ in index.series_of(one, ALL)) for one in asked_for] == [
        ["1.1.1", "1.1.2"],
        ["1.1.2"],
        ["1.1.1"],
    ]


def test_fuzzy_names_are_found_in_sequences_that_a_site_declares(tmp_path: Path) -> None:
    requester = Attribute("RequestAttributesSequence.RequestingPhysician", REQUESTER, "PN", Level.SERIES, folded=True)
    searchable = catalogue([requester])
    by_erika: dict[str, Any] = {requester.keyword: "Varga^Erika"}
    database = open_database(migrated_file(tmp_path / "index.db"))
    migrate(database)
    index = SQLIndex(database, searchable)
    with index.begin() as tx:
        tx.enter([a_kept(study="1.1", searchable=searchable, **by_erika)])

    for words, expected in (("eri var", ["1.1"]), ("rika", []), ("erika weiss", [])):
        key = asked(requester.keyword, words, fuzzy=True, searchable=searchable)
        assert found(index, studies(key)) == expected
    index.close()
