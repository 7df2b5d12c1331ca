"""What matching promises, checked against a plain reading of the rules in Python. A test class gives an `address`."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.described import a_kept, asked, studies
from contracts.index_contract import ALL
from imagebank.errors import Invalid
from imagebank.model.access import Scope
from imagebank.model.attribute import INSTANCE, Attribute, Level, catalogue
from imagebank.model.comparison import comparison
from imagebank.model.imaging import Kept
from imagebank.model.query import Between, Condition, Like, Match, OneOf, Query, Words, condition, name_words
from imagebank.storage.database import open_database
from imagebank.storage.index import SQLIndex
from imagebank.storage.migrate import migrate

SITE = Attribute("SiteCode", (0x00091001,), "LO", Level.SERIES, folded=True, creator="SITE")
MOMENT = Attribute("AcquisitionDateTime", (0x0008002A,), "DT", Level.INSTANCE)
SEARCHABLE = catalogue([SITE, MOMENT])
UIDS = {Level.STUDY: "0020000D", Level.SERIES: "0020000E", Level.INSTANCE: "00080018"}


class Corpus(list[Kept]):
    """What was kept; shown by its name only."""

    def __repr__(self) -> str:
        return "corpus"


def corpus() -> Corpus:
    """Ten studies with what is awkward: wildcards of two databases as text, several values, scripts, gaps."""
    procedure = "ProcedureCodeSequence.CodeValue"
    request = "RequestAttributesSequence.RequestedProcedureID"
    moment = "AcquisitionDateTime"
    rows: list[dict[str, Any]] = [
        {"PatientName": "Doe^Jane", "StudyDescription": "100% [a]*?_\\", "SiteCode": "North", moment: "20240101120000"},
        {"PatientName": "Doe^John^Q", "StudyDescription": "100x", "StudyDate": "20251231", "StudyTime": "235959",
         moment: "20240101120000.5+0200"},
        {"PatientName": "doe", "PatientID": "P2", "patient": "P2", "AccessionNumber": "a1", "StudyDate": None,
         moment: ["20240103", "20240105-0500"]},
        {"PatientName": "Müller-Lüdenscheidt^Jörg", "Modality": "MR", procedure: "71250", request: "R1"},
        {"PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう", "Modality": None, "StudyTime": None},
        {"PatientName": "Hong^Gildong=洪^吉洞=홍^길동", "OperatorsName": ["Roe^Ann", "Poe^Ed"], "StudyTime": "10"},
        {"PatientName": None, "OperatorsName": "Roe^Bob", "Manufacturer": ["Acme", "ÀCME Deux"], "StudyTime": "1015"},
        {"PatientName": "O'Brien^Mary Ann", "StationName": ["A_1", "A%1"], procedure: ["A", "B"], "SeriesNumber": None},
        {"PatientName": "DOE^JANE", "StudyID": "[x]", "BodyPartExamined": "HEAD", "StudyDate": "2026.01.02"},
        {"PatientName": "Zoë^Z", "StudyDescription": "CT*head", request: ["R1", "R2"], "InstanceNumber": None},
    ]  # fmt: skip
    kept = []
    for number, row in enumerate(rows, 1):
        given = {"organization": "north" if number % 2 else "south", "issuer": "x", "searchable": SEARCHABLE} | row
        kept.append(a_kept(study=f"1.{number}", uid=f"1.{number}.1.1", **given))
        if number % 3 == 0:
            kept.append(a_kept(study=f"1.{number}", uid=f"1.{number}.1.2", **given))
            more = given | {"Modality": "SR", "SeriesNumber": 10, "InstanceNumber": 10, "Rows": None}
            kept.append(a_kept(study=f"1.{number}", series=f"1.{number}.2", uid=f"1.{number}.2.1", **more))
    return Corpus(kept)


def forms_of(kept: Kept, attribute: Attribute) -> tuple[str, ...]:
    if attribute.path in kept.description.declared:
        return kept.description.declared[attribute.path]
    element = kept.description.levels[attribute.level].get(attribute.key)
    return comparison(attribute, element) if element else ()


def holds(match: Match, forms: Sequence[str], *, is_name: bool) -> bool:
    """The rules of PS3.4 C.2.2.2 as they read, any of several values being enough."""
    match match:
        case OneOf(values):
            return any(form in values for form in forms)
        case Between(low, high):
            return any((not low or form >= low) and (not high or form <= high) for form in forms)
        case Words(words):
            own = [word for form in forms for word in name_words(form)]
            return all(any(word.startswith(begin) for word in own) for begin in words)
        case Like(pattern):
            patterns = [pattern]
            while is_name and patterns[-1].endswith("^*"):
                patterns.append(patterns[-1][:-2].rstrip("^"))
            return any(re.fullmatch(_regex(p), form, re.DOTALL) for p in patterns if p for form in forms if form)
    raise AssertionError(match)


def _regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)


def expected(kept: Sequence[Kept], query: Query) -> list[str]:
    """UIDs of the query's level that have an instance for which every condition holds."""

    def fits(one: Kept) -> bool:
        return all(holds(c.match, forms_of(one, c.attribute), is_name=c.attribute.vr == "PN") for c in query.conditions)

    uids = {one.description.levels[query.level][UIDS[query.level]]["Value"][0] for one in kept if fits(one)}
    return sorted(uids)


def matched(index: SQLIndex, query: Query, scope: Scope = ALL) -> list[str]:
    return sorted(found.attributes[UIDS[query.level]]["Value"][0] for found in index.find(query, scope))


SEARCHED = [
    SEARCHABLE.by_keyword[keyword]
    for keyword in [
        "PatientName",
        "PatientID",
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "StudyDescription",
        "StudyID",
        "Modality",
        "Manufacturer",
        "StationName",
        "OperatorsName",
        "BodyPartExamined",
        "SeriesNumber",
        "InstanceNumber",
        "Rows",
        "ContentTime",
        "SiteCode",
        "AcquisitionDateTime",
        "ProcedureCodeSequence.CodeValue",
        "RequestAttributesSequence.RequestedProcedureID",
        "SOPInstanceUID",
    ]
]
WORDS = [
    "doe",
    "jane",
    "DOE^J*",
    "*o?e*",
    "山田",
    "山*",
    "洪^吉洞",
    "やまだ^*",
    "MÜLLER*",
    "muller",
    "o'b*",
    "mary",
    "ann",
    "zoe^z",
    "100%",
    "100*",
    "100%*",
    "*[a]*",
    "[a]",
    "*_*",
    "*\\*",
    "*\\\\",
    "ct\\**",
    "P1",
    "P?",
    "p1",
    "a1",
    "A?",
    "CT",
    "MR",
    "C*",
    "S?",
    "SR",
    "acme",
    "*deux",
    "A_1",
    "A%1",
    "A?1",
    "A\\B",
    "B",
    "R1",
    "R?",
    "r2",
    "71250",
    "7*",
    "head",
    "HEAD",
    "HE?D",
    "north",
    "NOR*",
    "[x]",
    "[x]*",
    "20260102",
    "20251231-",
    "-20260101",
    "20240101",
    "20240101120000",
    "20240101-20240103",
    "20240101110000+0100",
    "-20240101100000+0000",
    "20240103000000-0500-",
    "2024",
    "20260101-20261231",
    "10",
    "1015",
    "101500",
    "10-11",
    "-1015",
    "235959",
    "1",
    "10",
    "512",
    "1.3.1.2",
    "roe^*",
    "poe",
    "*^*",
    "?*",
    "???",
    "***",
]


@st.composite
def conditions(draw: st.DrawFn) -> Condition | None:
    attribute = draw(st.sampled_from(SEARCHED))
    text = draw(st.sampled_from(WORDS) | st.text(st.sampled_from("ade*?^%_[]\\10P"), min_size=1, max_size=5))
    try:
        return condition(attribute, text, fuzzy=draw(st.booleans()))
    except Invalid:
        return None


class MatchingContract:
    @pytest.fixture(scope="class")
    @classmethod
    def address(cls) -> str:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def index(cls, address: str) -> Iterator[SQLIndex]:
        database = open_database(address)
        migrate(database)
        index = SQLIndex(database, SEARCHABLE)
        yield index
        index.close()

    @pytest.fixture(scope="class")
    @classmethod
    def kept(cls, index: SQLIndex) -> Corpus:
        kept = corpus()
        with index.begin() as tx:
            tx.enter(kept)
        return kept

    @settings(
        max_examples=200,
        deadline=None,
        # The rows are only read, and each database has a class of its own.
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(
        asked_for=st.lists(conditions(), min_size=1, max_size=3),
        level=st.sampled_from([Level.STUDY, Level.SERIES, Level.INSTANCE]),
    )
    def test_matches_are_those_of_the_rules(
        self, index: SQLIndex, kept: list[Kept], asked_for: list[Condition | None], level: Level
    ) -> None:
        query = Query(level, tuple(c for c in asked_for if c is not None))

        assert matched(index, query) == expected(kept, query)
        assert index.count(query, ALL) == len(expected(kept, query))

    @pytest.mark.parametrize(
        ("keyword", "text", "found"),
        [
            ("PatientName", "DOE^JANE", ["1.1", "1.9"]),
            ("PatientName", "doe", ["1.3"]),
            ("PatientName", "doe^*", ["1.1", "1.2", "1.3", "1.9"]),
            ("PatientName", "^", []),
            ("PatientName", "*^*", [f"1.{n}" for n in (1, 10, 2, 3, 4, 5, 6, 8, 9)]),
            ("PatientName", "MULLER*", ["1.4"]),
            ("PatientName", "*lüd*", ["1.4"]),
            ("PatientName", "山田^太郎", ["1.5"]),
            ("PatientName", "=山田*", ["1.5"]),
            ("PatientName", "Hong^*=洪^*", ["1.6"]),
            ("PatientName", "Hong^*=山田*", []),
            ("PatientName", "==홍^길동", ["1.6"]),
            ("OperatorsName", "poe^ed", ["1.6"]),
            ("OperatorsName", "roe^*", ["1.6", "1.7"]),
            ("Manufacturer", "acme deux", ["1.7"]),
            ("AccessionNumber", "a1", ["1.3"]),
            ("StudyDescription", "100%*", ["1.1"]),
            ("StudyDescription", "*_\\", ["1.1"]),
            ("StudyDescription", "*[a]*", ["1.1"]),
            ("StationName", "A_1", ["1.8"]),
            ("StationName", "A?1", ["1.8"]),
            ("StudyID", "[?]", ["1.9"]),
            ("StudyDate", "-20251231", ["1.2"]),
            ("StudyDate", "20260102", ["1.1", "1.10", "1.4", "1.5", "1.6", "1.7", "1.8", "1.9"]),
            ("StudyTime", "2359", ["1.2"]),
            ("StudyTime", "-1014", ["1.6"]),
            ("ModalitiesInStudy", "SR", ["1.3", "1.6", "1.9"]),
            ("ModalitiesInStudy", "S*\\MR", []),
            ("ModalitiesInStudy", "SR\\MR", ["1.3", "1.4", "1.6", "1.9"]),
            ("ModalitiesInStudy", "SR,MR", ["1.3", "1.4", "1.6", "1.9"]),
            ("ModalitiesInStudy", "M?", ["1.4"]),
            ("ModalitiesInStudy", "C", []),
            ("Modality", "SR", ["1.3", "1.6", "1.9"]),
            ("NumberOfStudyRelatedInstances", "3", ["1.3", "1.6", "1.9"]),
            ("SOPClassesInStudy", "1.2.3", []),
            ("ProcedureCodeSequence.CodeValue", "71250", ["1.4"]),
            ("ProcedureCodeSequence.CodeValue", "B", ["1.8"]),
            ("RequestAttributesSequence.RequestedProcedureID", "R2", ["1.10"]),
            ("SiteCode", "nor*", ["1.1"]),
            ("AcquisitionDateTime", "20240101", ["1.1", "1.2"]),
            ("AcquisitionDateTime", "20240101-20240102", ["1.1", "1.2"]),
            ("AcquisitionDateTime", "2024010112-", ["1.1", "1.2", "1.3"]),
            ("AcquisitionDateTime", "-202401011200", ["1.1", "1.2"]),
            ("AcquisitionDateTime", "-20240101105959+0000", ["1.2"]),
            ("AcquisitionDateTime", "20240101050000-0500-20240101073000-0500", ["1.1", "1.2"]),
            ("AcquisitionDateTime", "20240105050000+0000", ["1.3"]),
            ("AcquisitionDateTime", "20240104", []),
            ("StudyInstanceUID", "1.1,1.2\\1.99", ["1.1", "1.2"]),
            ("Rows", "512", [f"1.{n}" for n in (1, 10, 2, 3, 4, 5, 6, 7, 8, 9)]),
            ("InstanceNumber", str(2**63 - 1), []),
            ("InstanceNumber", "9" * 40, []),
            ("PatientID", "P1\0", [f"1.{n}" for n in (1, 10, 2, 4, 5, 6, 7, 8, 9)]),
            ("PatientID", "*\0*\0?", [f"1.{n}" for n in (1, 10, 2, 3, 4, 5, 6, 7, 8, 9)]),
            ("PatientName", "*\ud800?*", []),
        ],
    )
    def test_studies_are_found_by(
        self, index: SQLIndex, kept: list[Kept], keyword: str, text: str, found: list[str]
    ) -> None:
        assert matched(index, studies(asked(keyword, text, searchable=SEARCHABLE))) == found

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("jane doe", ["1.1", "1.9"]),
            ("j d", ["1.1", "1.2", "1.9"]),
            ("lud jorg", ["1.4"]),
            ("ann mary", ["1.8"]),
            ("oe", []),
        ],
    )
    def test_fuzzy_names_match_by_the_beginnings_of_words(
        self, index: SQLIndex, kept: list[Kept], text: str, found: list[str]
    ) -> None:
        assert matched(index, studies(asked("PatientName", text, fuzzy=True))) == found

    def test_date_and_time_are_one_span_where_that_is_asked_for(self, index: SQLIndex, kept: list[Kept]) -> None:
        asked_for = (asked("StudyDate", "20251231-20260102"), asked("StudyTime", "1200-1016"))

        assert matched(index, studies(*asked_for, combined=True)) == [
            "1.1", "1.10", "1.2", "1.4", "1.5", "1.6", "1.7", "1.8", "1.9",
        ]  # fmt: skip
        assert matched(index, studies(*asked_for)) == []

    def test_conditions_below_the_level_hold_for_one_series(self, index: SQLIndex, kept: list[Kept]) -> None:
        assert matched(index, studies(asked("Modality", "SR"), asked("SeriesNumber", "10"))) == ["1.3", "1.6", "1.9"]
        assert matched(index, studies(asked("Modality", "CT"), asked("SeriesNumber", "10"))) == []
        assert matched(index, studies(asked("Modality", "SR"), asked("InstanceNumber", "10"))) == ["1.3", "1.6", "1.9"]
        assert matched(index, Query(Level.SERIES, (asked("Rows", "512"), asked("Modality", "SR")))) == []

    def test_a_patient_is_one_match_however_many_studies_match(self, index: SQLIndex, kept: list[Kept]) -> None:
        doe = Query(Level.PATIENT, (asked("PatientName", "doe*"),))
        found = [one.attributes["00100020"]["Value"][0] for one in index.find(doe, ALL)]

        assert found == ["P1", "P2"]
        assert index.count(doe, ALL) == 2
        assert index.count(Query(Level.PATIENT, (asked("PatientName", "doe"),)), Scope.of("south")) == 0

    def test_matches_come_in_one_order_and_pages_neither_overlap_nor_miss(
        self, index: SQLIndex, kept: list[Kept]
    ) -> None:
        for level in (Level.STUDY, Level.SERIES, Level.INSTANCE):
            whole = [found.attributes for found in index.find(Query(level), ALL)]
            paged = [
                found.attributes
                for offset in range(0, len(whole) + 3, 3)
                for found in index.find(Query(level, limit=3, offset=offset), ALL)
            ]
            assert paged == whole
            assert [f.attributes for f in index.find(Query(level, offset=4), ALL)] == whole[4:]
        order = [found.attributes["0020000D"]["Value"][0] for found in index.find(studies(), ALL)]
        assert order == ["1.1", "1.10", "1.4", "1.7", "1.8", "1.9", "1.6", "1.5", "1.2", "1.3"]

    def test_instances_are_found_by_what_stands_above(self, index: SQLIndex, kept: list[Kept]) -> None:
        query = Query(Level.INSTANCE, (asked("PatientID", "P2"),))
        found = [one.attributes["00080018"]["Value"][0] for one in index.find(query, ALL)]

        assert found == ["1.3.1.1", "1.3.1.2", "1.3.2.1"]

    def test_a_list_of_very_many_uids_is_answered(self, index: SQLIndex, kept: list[Kept]) -> None:
        many = ",".join(f"1.{number}" for number in range(1, 70_000))

        assert index.count(studies(asked("StudyInstanceUID", many)), ALL) == 10

    def test_required_attributes_are_always_there_and_values_as_they_came(
        self, index: SQLIndex, kept: list[Kept]
    ) -> None:
        found = list(index.find(Query(Level.INSTANCE), ALL))

        for one in found:
            missing = [a.key for level in (INSTANCE,) for a in level if a.required and a.key not in one.attributes]
            assert missing == []
            assert list(one.attributes) == sorted(one.attributes)
            assert "Value" in one.attributes.get("00080061", {"Value": []})
        first = found[0].attributes
        assert first["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}
        assert first["00080033"] == {"vr": "TM", "Value": ["101500.12"]}
        assert first["00081030"]["Value"] == ["100% [a]*?_\\"]
        assert first["00080090"] == {"vr": "PN"}
        assert first["00080056"]["Value"] == ["ONLINE"]
        assert first["00083002"]["Value"] == ["1.2.840.10008.1.2.1"]
