"""Questions of one form share a statement, and find what each would find by a statement of its own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.described import EVERYTHING, a_kept, asked
from imagebank.model.access import Scope
from imagebank.model.attribute import Level
from imagebank.model.query import Condition, OneOf, Query
from imagebank.storage import asking
from imagebank.storage.asking import Asking, rows_of
from imagebank.storage.database import Database, open_database
from imagebank.storage.forms import form_of
from imagebank.storage.index import SQLIndex
from imagebank.storage.migrate import migrate
from imagebank.storage.select import matches
from schema import migrated_file

SCOPES = (Scope(None), Scope.of("local"), Scope.of("north"), Scope.of("local", "north"))
NAMES = (
    "Doe^Jane",
    "Doe^J",
    "doe",
    "O'Brien^Pat",
    "Müller^Ann=山田^太郎",
    "A_B^C",
    "50%^Off",
    "Ann Doe^Jane",
    "x[y]^z",
)
QUESTIONS = (
    [("PatientID", text) for text in ("P1", "P_1", "P%1", "p1", "P1\\P2", "P*", "P?1", "P 1", "P", "nobody")]
    + [("PatientName", text) for text in ("doe^jane", "doe", "doe^*", "doe^j*", "o'brien*", "a_b*", "50%*", "x[y*")]
    + [("PatientName", text) for text in ("muller*", "müller^ann", "=山田^太郎", "mul*=山*", "doe^^*", "***e*")]
    + [("StudyDate", text) for text in ("20260101", "20260101-", "-20260102", "20260101-20260103")]
    + [("StudyTime", text) for text in ("10", "1015", "0900-1100")]
    + [("ModalitiesInStudy", text) for text in ("CT", "MR", "C*", "CT\\MR", "T")]
    + [("NumberOfStudyRelatedInstances", text) for text in ("1", "2")]
    + [("AccessionNumber", "A1"), ("StudyInstanceUID", "1.1"), ("StudyInstanceUID", "1.1,1.2")]
)  # fmt: skip


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = open_database(migrated_file(Path(tmp_path_factory.mktemp("forms")) / "index.db"))
    migrate(opened)
    identifiers = ("P1", "P2", "P_1", "P%1", "PX1", "P 1")
    kept = [
        a_kept(
            study=f"1.{n}",
            patient=identifiers[n % len(identifiers)],
            PatientName=NAMES[n % len(NAMES)],
            StudyDate=f"2026010{n % 4 + 1}",
            StudyTime=f"{9 + n % 3:02}1500",
            Modality=("CT", "MR", "XCT")[n % 3],
            organization=("local", "north")[n % 2],
        )
        for n in range(24)
    ]
    with SQLIndex(opened, EVERYTHING).begin() as tx:
        tx.enter(kept)
    yield opened
    opened.close()


@pytest.mark.parametrize("level", [Level.PATIENT, Level.STUDY, Level.INSTANCE])
def test_a_shared_statement_finds_what_one_of_its_own_finds(database: Database, level: Level) -> None:
    questions = Asking(database)
    for scope in SCOPES:
        for keyword, text in QUESTIONS:
            own_of = Query(level, (asked(keyword, text),))
            for limit, offset in ((None, 0), (3, 0), (2, 2), (None, 1)):
                query = replace(own_of, limit=limit, offset=offset)
                own = [*map(tuple, rows_of(database, matches(query, scope, "sqlite")))]
                assert [*map(tuple, questions.rows(query, scope))] == own, (keyword, text, limit, offset)
            number = len([*rows_of(database, matches(own_of, scope, "sqlite"))])
            assert questions.count(own_of, scope) == number, (keyword, text)


def test_values_do_not_change_the_form_and_what_means_something_in_a_pattern_does() -> None:
    def form(keyword: str, text: str, *, fuzzy: bool = False) -> object:
        found = form_of(Query(Level.STUDY, (asked(keyword, text, fuzzy=fuzzy),), limit=7, offset=9))
        return found and found[0]

    assert form("PatientID", "P1") == form("PatientID", "P_2") is not None
    assert form("PatientName", "doe^j*") == form("PatientName", "roe^jane*") != form("PatientName", "doe*")
    assert form("PatientName", "doe jane", fuzzy=True) == form("PatientName", "roe ann", fuzzy=True) is not None
    assert form("StudyDate", "20260101-") == form("StudyDate", "20270101-") != form("StudyDate", "-20260101")
    written_anew = [("PatientID", "P1\\P2"), ("PatientName", "a_b*"), ("PatientName", "50%*"), ("InstanceNumber", "1")]
    assert [form(*each) for each in written_anew] == [None] * len(written_anew)
    assert form("PatientName", "a_b", fuzzy=True) is None
    many = tuple(Condition(asked("PatientID", "P1").attribute, OneOf((f"P{n}",))) for n in range(101))
    assert form_of(Query(Level.STUDY, many)) is None


def test_the_statements_that_are_kept_are_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_KEPT", 2)
    questions = Asking(database)

    for keyword, text in QUESTIONS:
        questions.count(Query(Level.STUDY, (asked(keyword, text),)), Scope(None))
        assert len(questions._kept) <= 2
