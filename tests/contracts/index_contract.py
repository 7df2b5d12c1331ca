"""What every adapter of the `Index` and `Transaction` ports promises. A test class gives an `address`."""

import multiprocessing
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from contracts.described import (
    CT,
    EVERYTHING,
    MR,
    PLAIN,
    a_kept,
    asked,
    at,
    digest_of,
    studies,
)
from imagebank.errors import NotFound
from imagebank.model.access import Clause, Device, Right, Role, Scope, Session, Token
from imagebank.model.attribute import Level
from imagebank.model.event import Act, Event
from imagebank.model.imaging import DataSet, Kept, Location, Outcome, Pixels, Selection, Source
from imagebank.model.ledger import BEGINNING, Checkpoint, Sought, faults
from imagebank.model.note import OTHER_ORGANIZATION
from imagebank.model.person import PatientId
from imagebank.model.query import Query
from imagebank.model.uid import Uid
from imagebank.ports import Entered
from imagebank.storage import paging
from imagebank.storage.database import open_database
from imagebank.storage.index import SQLIndex
from imagebank.storage.migrate import migrate

ALL = Scope(None)
EVER = at(-(10**10))
SERIES_COUNT, INSTANCE_COUNT, IN_SERIES = "00201206", "00201208", "00201209"
MODALITIES, SOP_CLASSES = "00080061", "00080062"


def enter(index: SQLIndex, *kept: Kept) -> list[Entered]:
    with index.begin() as tx:
        return tx.enter(kept)


def outcomes(entered: list[Entered]) -> list[Outcome]:
    return [one.outcome for one in entered]


def study_attributes(index: SQLIndex, study: str = "1.1", scope: Scope = ALL) -> DataSet:
    """The only match for this study UID."""
    (found,) = index.find(studies(asked("StudyInstanceUID", study)), scope)
    return found.attributes


def value(attributes: DataSet, key: str) -> Any:
    return attributes[key]["Value"][0]


def names_in(index: SQLIndex, scope: Scope = ALL) -> list[str]:
    return sorted(name for name, _ in index.locations(scope))


def enter_in_process(address: str, study: str, series: str, numbers: list[int]) -> None:
    index = SQLIndex(open_database(address), EVERYTHING)
    for number in numbers:
        enter(index, a_kept(study=study, series=series, uid=f"{series}.{number}"))
    index.close()


class IndexContract:
    @pytest.fixture
    def address(self) -> str:
        """Of a database with the schema of now."""
        raise NotImplementedError

    @pytest.fixture
    def bare(self) -> str:
        """Of a database without any."""
        raise NotImplementedError

    @pytest.fixture
    def open_index(self, address: str) -> Iterator[Callable[..., SQLIndex]]:
        database = open_database(address)
        migrate(database)
        database.close()
        opened: list[SQLIndex] = []

        def open_one(**given: Any) -> SQLIndex:
            opened.append(SQLIndex(open_database(address), given.pop("searchable", EVERYTHING), **given))
            return opened[-1]

        yield open_one
        for index in opened:
            index.close()

    @pytest.fixture
    def index(self, open_index: Callable[..., SQLIndex]) -> SQLIndex:
        return open_index()

    # Entering

    def test_an_entered_instance_is_read_back_as_it_was(self, index: SQLIndex) -> None:
        kept = a_kept(InstanceNumber=7)
        entered = enter(index, kept)
        (instance,) = index.instances(Selection(instance=kept.description.uid), ALL)

        assert entered == [Entered(Outcome.STORED, tells_of_patient=True)]
        assert (instance.uid, instance.series, instance.study) == (kept.description.uid, "1.1.1", "1.1")
        assert instance.patient == PatientId("local", "P1")
        assert (instance.sop_class, instance.transfer_syntax, instance.number) == (CT, PLAIN, 7)
        assert (instance.location, instance.digest, instance.content_digest) == (
            kept.location,
            kept.digest,
            kept.content_digest,
        )
        assert (instance.dataset_offset, instance.pixels) == (400, kept.description.pixels)
        assert instance.received_at == kept.received_at

    def test_pixels_and_their_frame_table_are_kept(self, index: SQLIndex) -> None:
        kept = a_kept()
        frames = Pixels(900, 80, True, 3, b"\0\1\2table", direct=False, rows=1, columns=2, samples=3, bits_allocated=8)
        for pixels, uid in ((frames, "5.1"), (None, "5.2")):
            description = replace(kept.description, pixels=pixels, uid=Uid(uid))
            enter(index, replace(kept, description=description, content_digest=digest_of(uid)))

        assert [one.pixels for one in index.instances(Selection(study=Uid("1.1")), ALL)] == [frames, None]

    def test_pages_in_order_go_on_where_the_one_before_ended(
        self, index: SQLIndex, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(paging, "DEEP", 1)
        with index.begin() as tx:
            tx.enter([a_kept(study=f"1.{n}", StudyDate=f"2026010{n // 3}", StudyTime=f"1{n % 2}") for n in range(8)])

        def page(offset: int, scope: Scope = ALL, name: str = "doe*") -> list[str]:
            named = asked("PatientName", name)
            found = index.find(studies(named, limit=2, offset=offset), scope)
            return [one.attributes["0020000D"]["Value"][0] for one in found]

        def number(name: str) -> int:
            return index.count(studies(asked("PatientName", name), limit=2, offset=6), ALL)

        counted = [page(offset, Scope.of("local"), "do*") for offset in (6, 4, 2, 0)][::-1]
        assert [page(0), page(2)] == counted[:2]
        assert number("doe*") == 8
        with index.begin() as tx:
            tx.enter([a_kept(study="1.9", StudyDate="20270101")])

        assert [page(4), page(6), page(8)] == [*counted[2:], []]
        assert page(8, name="d*e*") == counted[3][1:]
        assert (number("doe*"), number("d*e*")) == (8, 9)

    def test_counters_follow_what_is_entered(self, index: SQLIndex) -> None:
        enter(index, a_kept(), a_kept(), a_kept(series="1.1.2", Modality="PT", sop_class=MR, StudyDate=None))
        enter(index, a_kept(series="1.1.2", Modality="PT"), a_kept(study="1.2", series="1.2.1", Modality=None))

        first, second = study_attributes(index, "1.1"), study_attributes(index, "1.2")
        assert (value(first, SERIES_COUNT), value(first, INSTANCE_COUNT)) == (2, 4)
        assert first[MODALITIES]["Value"] == ["CT", "PT"]
        assert first[SOP_CLASSES]["Value"] == sorted([CT, MR])
        assert (value(second, SERIES_COUNT), value(second, INSTANCE_COUNT)) == (1, 1)
        assert MODALITIES not in second

    def test_an_error_in_the_block_leaves_nothing(self, index: SQLIndex) -> None:
        def enter_and_fail() -> None:
            with index.begin() as tx:
                tx.enter([a_kept()])
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            enter_and_fail()

        assert index.count(studies(), ALL) == 0
        assert outcomes(enter(index, a_kept())) == [Outcome.STORED]
        assert len(names_in(index)) == 1

    def test_the_first_value_that_is_not_empty_wins(self, index: SQLIndex) -> None:
        enter(index, a_kept(StudyDescription=None, ReferringPhysicianName=None))
        enter(index, a_kept(StudyDescription="CT head", ReferringPhysicianName="House^Gregory"))
        enter(index, a_kept(StudyDescription="CT abdomen", SeriesDescription="axial"))

        attributes = study_attributes(index)
        assert value(attributes, "00081030") == "CT head"
        assert index.count(studies(asked("StudyDescription", "CT abdomen")), ALL) == 0
        assert index.count(studies(asked("ReferringPhysicianName", "house^*")), ALL) == 1
        assert index.count(studies(asked("SeriesDescription", "AXIAL")), ALL) == 1

    def test_rows_do_not_depend_on_the_order_of_entering(self, open_index: Callable[..., SQLIndex]) -> None:
        index = open_index()
        early = a_kept(
            received=1, patient="P1", organization="a", issuer="x", StudyDescription="early", StationName="one"
        )
        late = a_kept(received=2, patient="P2", organization="b", issuer="x", StudyDescription="late", StudyID="7")

        def rows(*order: Kept) -> Any:
            with index.begin() as tx:
                tx.clear()
            for kept in order:
                enter(index, kept)
            seen = [found.attributes for found in index.find(Query(Level.INSTANCE), ALL)]
            return seen, index.count(studies(), Scope.of("a")), index.count(Query(Level.PATIENT), ALL)

        assert rows(early, late) == rows(late, early)
        assert rows(late, early)[1:] == (1, 1)

    def test_another_patient_in_a_study_is_kept_with_a_warning(self, index: SQLIndex) -> None:
        enter(index, a_kept(patient="P1"))
        (entered,) = enter(index, a_kept(patient="P2", PatientName="Roe^Richard"))

        assert entered.outcome is Outcome.STORED
        assert "another patient" in entered.warnings[0]
        assert "Roe" not in entered.warnings[0]
        assert value(study_attributes(index), "00100020") == "P1"

    def test_patients_without_identifier_are_never_merged(self, index: SQLIndex) -> None:
        enter(index, a_kept(study="1.1", patient=""), a_kept(study="1.2", patient=""), a_kept(study="1.2", patient=""))

        assert index.count(Query(Level.PATIENT), ALL) == 2
        assert index.count(studies(), ALL) == 2

    def test_the_same_identifier_of_two_issuers_is_two_patients(self, index: SQLIndex) -> None:
        enter(index, a_kept(study="1.1", issuer="north"), a_kept(study="1.2", issuer="south"))

        assert index.count(Query(Level.PATIENT), ALL) == 2

    @pytest.mark.parametrize(
        ("patients", "expected"),
        [
            ([], []),
            ([PatientId("north", "P1")], ["1.1"]),
            ([PatientId("north", "P1"), PatientId("south", "P1")], ["1.1", "1.2"]),
            ([PatientId("north", "nobody")], []),
        ],
    )
    def test_a_scope_of_patients_shows_theirs_alone(
        self, index: SQLIndex, patients: list[PatientId], expected: list[str]
    ) -> None:
        enter(index, *(a_kept(study=uid, issuer=of) for uid, of in (("1.1", "north"), ("1.2", "south"))))
        scope = Scope(None, patients=frozenset(patients))

        assert sorted(value(one.attributes, "0020000D") for one in index.find(studies(), scope)) == expected

    def test_a_series_of_another_study_goes_to_quarantine(self, index: SQLIndex) -> None:
        enter(index, a_kept(study="1.1", series="7.7"))
        kept = a_kept(study="1.2", series="7.7")
        (entered,) = enter(index, kept)
        (aside,) = index.quarantined(ALL)

        assert (entered.outcome, entered.quarantine) == (Outcome.QUARANTINED, aside.id)
        assert "another study" in aside.reason
        assert (aside.location, aside.uid, aside.source) == (kept.location, kept.description.uid, kept.source)
        assert index.count(studies(), ALL) == 1

    @pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "x" * 5_000, "'; DROP TABLE study; --", "😀" * 700])
    def test_odd_text_in_a_header_is_kept(self, index: SQLIndex, text: str) -> None:
        odd = a_kept(PatientName=text, StudyDescription=text, AccessionNumber=text, SeriesDescription=[text, text])
        entered = enter(index, odd)

        assert outcomes(entered) == [Outcome.STORED]
        assert len(list(index.find(Query(Level.INSTANCE), ALL))) == 1

    @pytest.mark.parametrize("number", [None, "", "x", -1, 2**31, 10**30, 1.5, float("nan")])
    def test_odd_numbers_in_a_header_are_kept(self, index: SQLIndex, number: Any) -> None:
        enter(index, a_kept(InstanceNumber=number, SeriesNumber=number, Rows=number, NumberOfFrames=number))
        (found,) = index.find(Query(Level.INSTANCE), ALL)

        assert "00200013" in found.attributes

    def test_an_identifier_too_long_to_be_told_apart_goes_to_quarantine(self, index: SQLIndex) -> None:
        entered = enter(index, a_kept(patient="9" * 513), a_kept())

        assert outcomes(entered) == [Outcome.QUARANTINED, Outcome.STORED]

    # Duplicates

    def test_equal_content_again_is_a_duplicate_and_its_record_is_spare(self, index: SQLIndex) -> None:
        enter(index, a_kept(uid="5.5", content="same"))
        (entered,) = enter(index, a_kept(uid="5.5", content="same"))

        assert entered == Entered(Outcome.DUPLICATE, is_spare=True)
        assert value(study_attributes(index), INSTANCE_COUNT) == 1

    def test_the_same_record_again_is_a_duplicate_that_is_not_spare(self, index: SQLIndex) -> None:
        kept = a_kept()
        enter(index, kept)

        assert enter(index, kept) == [Entered(Outcome.DUPLICATE)]

    def test_what_is_lost_gives_way_to_the_same_content_from_its_owner(self, index: SQLIndex) -> None:
        lost = a_kept(uid="5.5", content="same", organization="north")
        enter(index, lost)
        foreign, mended, late = (
            replace(a_kept(uid="5.5", content="same", organization=name), in_place_of=lost.location)
            for name in ("south", "north", "north")
        )
        entered = [enter(index, kept)[0] for kept in (foreign, mended, late)]
        (instance,) = index.instances(Selection(instance=Uid("5.5")), ALL)

        assert outcomes(entered) == [Outcome.QUARANTINED, Outcome.STORED, Outcome.DUPLICATE]
        assert entered[2].is_spare
        assert instance.location == mended.location
        assert value(study_attributes(index), INSTANCE_COUNT) == 1
        assert {place for _, place in index.locations(ALL)} == {foreign.location, mended.location}

    def test_other_content_is_refused_to_quarantine(self, index: SQLIndex) -> None:
        enter(index, a_kept(uid="5.5", content="one"))
        other = a_kept(uid="5.5", content="two")
        (entered,), (again,) = enter(index, other), enter(index, other)
        (aside,) = index.quarantined(ALL)

        assert (entered.outcome, entered.quarantine) == (Outcome.QUARANTINED, aside.id)
        assert again.quarantine == aside.id
        assert names_in(index) == ["5.5", f"quarantine {aside.id}"]

    def test_duplicates_within_one_batch_are_known(self, index: SQLIndex) -> None:
        batch = [a_kept(uid="5.5", content=content) for content in ("one", "one", "two")]
        entered = enter(index, *batch, a_kept())

        assert outcomes(entered) == [Outcome.STORED, Outcome.DUPLICATE, Outcome.QUARANTINED, Outcome.STORED]
        assert value(study_attributes(index), INSTANCE_COUNT) == 2

    def test_revising_keeps_the_former_version(self, open_index: Callable[..., SQLIndex]) -> None:
        index = open_index(duplicates="revise")
        first, second = a_kept(uid="5.5", content="one"), a_kept(uid="5.5", content="two", Rows=64)
        entered = enter(index, first, second)
        (instance,) = index.instances(Selection(instance=Uid("5.5")), ALL)

        assert outcomes(entered) == [Outcome.STORED, Outcome.STORED]
        assert instance.location == second.location
        assert {place for _, place in index.locations(ALL)} == {first.location, second.location}
        assert value(study_attributes(index), INSTANCE_COUNT) == 1
        with index.begin() as tx:
            removed = tx.remove(Selection(study=Uid("1.1")), ALL)
        assert [one.location for one in removed] == [second.location, first.location]
        assert names_in(index) == []

    def test_an_older_version_that_comes_late_becomes_a_former_one(self, open_index: Callable[..., SQLIndex]) -> None:
        index = open_index(duplicates="revise")
        new, old = (a_kept(uid="5.5", content=text, received=when) for text, when in (("two", 2), ("one", 1)))
        (_, late) = enter(index, new, old)
        (instance,) = index.instances(Selection(instance=Uid("5.5")), ALL)

        assert late.outcome is Outcome.STORED
        assert late.warnings
        assert instance.location == new.location

    def test_a_revision_may_move_to_another_series(self, open_index: Callable[..., SQLIndex]) -> None:
        index = open_index(duplicates="revise")
        enter(index, a_kept(uid="5.5", content="one"), a_kept(uid="5.6"))
        enter(index, a_kept(uid="5.5", content="two", study="1.2"))

        assert value(study_attributes(index, "1.1"), INSTANCE_COUNT) == 1
        assert value(study_attributes(index, "1.2"), INSTANCE_COUNT) == 1

    def test_a_revision_that_is_refused_leaves_what_is_held(self, open_index: Callable[..., SQLIndex]) -> None:
        index = open_index(duplicates="revise")
        held = a_kept(uid="5.5", series="1.1.7", content="one")
        enter(index, held)
        (entry,) = enter(index, a_kept(uid="5.5", series="1.1.7", study="1.2", content="two"))
        (instance,) = index.instances(Selection(instance=Uid("5.5")), ALL)

        assert entry.outcome is Outcome.QUARANTINED
        assert instance.location == held.location

    def test_nobody_but_the_owner_of_a_study_revises_it(self, open_index: Callable[..., SQLIndex]) -> None:
        index = open_index(duplicates="revise")
        held = a_kept(uid="5.5", content="one", organization="north", received=5)
        enter(index, held, a_kept(organization="south"))
        entered = enter(
            index, *(a_kept(uid="5.5", content=f"at {when}", organization="south", received=when) for when in (1, 9))
        )
        (instance,) = index.instances(Selection(instance=Uid("5.5")), Scope.of("north"))

        assert outcomes(entered) == [Outcome.QUARANTINED, Outcome.QUARANTINED]
        assert instance.location == held.location

    def test_an_index_is_complete_only_when_somebody_said_so(self, index: SQLIndex) -> None:
        was_new = index.is_complete()
        with index.begin() as tx:
            tx.complete()
        was_said = index.is_complete()
        with index.begin() as tx:
            tx.clear()

        assert (was_new, was_said, index.is_complete()) == (False, True, False)

    # Removing

    def test_removing_keeps_every_counter_true(self, index: SQLIndex) -> None:
        kept = [a_kept(), a_kept(), a_kept(series="1.1.2", Modality="PT", sop_class=MR)]
        enter(index, *kept)
        with index.begin() as tx:
            removed = tx.remove(Selection(series=Uid("1.1.2")), ALL)
        with index.begin() as tx:
            removed += tx.remove(Selection(instance=kept[0].description.uid), ALL)

        attributes = study_attributes(index)
        assert [one.location for one in removed] == [kept[2].location, kept[0].location]
        assert (value(attributes, SERIES_COUNT), value(attributes, INSTANCE_COUNT)) == (1, 1)
        assert (attributes[MODALITIES]["Value"], attributes[SOP_CLASSES]["Value"]) == (["CT"], [CT])

    def test_a_study_without_instances_is_gone_with_all_that_was_its(self, index: SQLIndex) -> None:
        enter(index, a_kept(OperatorsName=["Roe^R", "Poe^E"]))
        with index.begin() as tx:
            tx.remove(Selection(study=Uid("1.1")), ALL)

        assert [index.count(Query(level), ALL) for level in Level] == [0, 0, 0, 0]
        enter(index, a_kept(study="1.2"))
        assert index.count(studies(asked("OperatorsName", "poe^e")), ALL) == 0

    def test_nothing_is_removed_outside_the_scope(self, index: SQLIndex) -> None:
        enter(index, a_kept(organization="north"))
        with index.begin() as tx:
            removed = tx.remove(Selection(study=Uid("1.1")), Scope.of("south"))

        assert removed == []
        assert index.count(studies(), ALL) == 1

    # Scope

    def test_what_is_out_of_scope_does_not_exist(self, index: SQLIndex) -> None:
        kept = a_kept(study="1.1", organization="north")
        enter(index, kept, a_kept(study="1.2", organization="south"))
        with index.begin() as tx:
            source = Source("stow", "x", "north")
            number = tx.quarantine("odd", "f", source, at(1), Location("s", 0, 1, 1), digest_of("x"))
            tx.record([Event(at(1), Act.VIEWED, "x", "north", study=Uid("1.1"))])
        whole = Selection(study=Uid("1.1"))

        for scope in (
            Scope.of("south"),
            Scope.nothing(),
            Scope(None, frozenset()),
            Scope(None, frozenset({Uid("1.2")})),
        ):
            assert index.count(studies(asked("StudyInstanceUID", "1.1")), scope) == 0
            assert not list(index.find(Query(Level.INSTANCE, (asked("StudyInstanceUID", "1.1"),)), scope))
            assert index.instances(whole, scope) == []
            assert index.series_of(whole, scope) == []
            assert kept.description.uid not in names_in(index, scope)
            assert index.quarantined(scope) == index.quarantined(scope, number) == []
            assert index.events(scope) == []
            with pytest.raises(NotFound):
                index.metadata(Uid("1.1.1"), scope)
        for scope in (Scope.of("north"), Scope.of("north", "south"), ALL, Scope(None, frozenset({Uid("1.1")}))):
            assert index.count(studies(asked("StudyInstanceUID", "1.1")), scope) == 1
            assert (
                len(index.instances(whole, scope))
                == len(index.series_of(whole, scope))
                == len(index.events(scope))
                == 1
            )
            assert index.metadata(Uid("1.1.1"), scope)[1] is None
            assert kept.description.uid in names_in(index, scope)

    def test_a_scope_may_name_very_many_studies(self, index: SQLIndex) -> None:
        enter(index, a_kept(study="1.1"))
        many = frozenset(Uid(f"1.{number}") for number in range(70_000))

        assert index.count(studies(), Scope(None, many)) == 1
        assert len(index.instances(Selection(), Scope(None, many))) == 1

    def test_events_of_organizations_are_those_of_their_people_and_about_their_studies(self, index: SQLIndex) -> None:
        enter(index, a_kept(study="1.1", organization="north"), a_kept(study="1.2", organization="south"))
        done = [
            Event(at(1), Act.VIEWED, who, organization, study=Uid(study) if study else None)
            for who, organization, study in (("a", "north", "1.1"), ("b", "north", "1.2"), ("c", "south", ""))
        ]
        with index.begin() as tx:
            tx.record(done)

        assert {event.principal for event in index.events(Scope.of("south"))} == {"b", "c"}
        assert {line.principal for line in index.lines(Sought(), Scope.of("north"))} == {"a", "b"}

    def test_a_study_of_another_organization_is_joined_by_who_sees_it_alone(self, index: SQLIndex) -> None:
        enter(index, a_kept(uid="5.5", organization="north"))
        sees_own, sees_it = Scope.of("south"), Scope(frozenset(), permits=(Clause(frozenset({"north"})),))
        hidden, joined = (replace(a_kept(organization="south"), sees=sees) for sees in (sees_own, sees_it))
        same = replace(a_kept(uid="5.5", organization="south"), sees=sees_own)
        mixed = enter(index, hidden, joined, same)
        elsewhere = enter(index, replace(a_kept(study="1.9", series="1.1.1", organization="south"), sees=sees_own))

        assert outcomes(mixed) == [Outcome.QUARANTINED, Outcome.STORED, Outcome.QUARANTINED]
        assert [one.has_joined for one in mixed] == [False, True, False]
        assert {mixed[0].reason, mixed[2].reason, elsewhere[0].reason} == {OTHER_ORGANIZATION}
        assert index.owner_of(joined.description.study, ALL) == "north"
        assert index.owner_of(joined.description.study, Scope.of("south")) is None

    def test_a_study_belongs_to_the_organization_of_its_first_instance(self, index: SQLIndex) -> None:
        enter(index, a_kept(organization="north"))
        enter(index, a_kept(organization="south", issuer="north"))

        assert index.count(studies(), Scope.of("south")) == 0
        assert value(study_attributes(index, scope=Scope.of("north")), INSTANCE_COUNT) == 2

    def test_a_patient_is_seen_through_the_studies_in_scope_only(self, index: SQLIndex) -> None:
        enter(index, a_kept(study="1.1", issuer="x", organization="north", PatientName="Old^Name"))
        enter(index, a_kept(study="1.2", issuer="x", organization="south", PatientName="New^Name"))
        (found,) = index.find(Query(Level.PATIENT), Scope.of("north"))

        assert value(found.attributes, "00100010") == {"Alphabetic": "Old^Name"}
        assert index.count(Query(Level.PATIENT), ALL) == 1
        assert "0020000D" not in found.attributes

    # Versions and metadata

    def test_metadata_hold_for_one_version_only(self, index: SQLIndex) -> None:
        enter(index, a_kept())
        series = Uid("1.1.1")
        first, nothing = index.metadata(series, ALL)
        with index.begin() as tx:
            tx.put_metadata(series, first, b"body")
        kept = index.metadata(series, ALL)
        enter(index, a_kept())
        second, stale = index.metadata(series, ALL)
        with index.begin() as tx:
            tx.put_metadata(series, first, b"late")

        assert (nothing, kept, stale) == (None, (first, b"body"), None)
        assert second > first
        assert index.metadata(series, ALL) == (second, None)
        assert index.series_of(Selection(study=Uid("1.1")), ALL) == [("1.1", series, second)]

    def test_every_series_gets_a_version_that_was_never_told(self, index: SQLIndex) -> None:
        enter(index, a_kept())
        told, _ = index.metadata(Uid("1.1.1"), ALL)
        renewed = []
        for _ in range(2):
            with index.begin() as tx:
                tx.renew_versions(at(10_000_000))
            renewed.append(index.metadata(Uid("1.1.1"), ALL)[0])

        assert renewed[0] == renewed[1] > told

    def test_a_series_that_comes_again_has_another_version(self, index: SQLIndex) -> None:
        enter(index, a_kept())
        before, _ = index.metadata(Uid("1.1.1"), ALL)
        with index.begin() as tx:
            tx.remove(Selection(), ALL)
        with pytest.raises(NotFound):
            index.metadata(Uid("1.1.1"), ALL)
        enter(index, a_kept())

        assert index.metadata(Uid("1.1.1"), ALL)[0] != before

    # Several writers

    def test_writers_of_one_study_count_right(self, index: SQLIndex) -> None:
        def work(worker: int) -> None:
            for number in range(8):
                enter(index, a_kept(series=f"1.1.{number % 3}", uid=f"6.{worker}.{number}"))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))

        attributes = study_attributes(index)
        found = list(index.find(Query(Level.SERIES), ALL))
        assert (value(attributes, SERIES_COUNT), value(attributes, INSTANCE_COUNT)) == (3, 32)
        assert sorted(value(one.attributes, IN_SERIES) for one in found) == [8, 12, 12]

    def test_processes_that_write_one_study_count_right(self, index: SQLIndex, address: str) -> None:
        spawn = multiprocessing.get_context("spawn")
        workers = [
            spawn.Process(target=enter_in_process, args=(address, "1.1", f"1.1.{worker % 2}", list(range(w, w + 6))))
            for worker, w in enumerate((0, 0, 100))
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)

        assert [worker.exitcode for worker in workers] == [0, 0, 0]
        assert value(study_attributes(index), INSTANCE_COUNT) == 18

    def test_of_the_same_object_twice_at_once_one_is_stored(self, index: SQLIndex) -> None:
        for round_ in range(10):
            barrier = threading.Barrier(3)

            def work(_: int, round_: int = round_, barrier: threading.Barrier = barrier) -> Entered:
                barrier.wait()
                return enter(index, a_kept(study=f"1.{round_}", uid=f"5.{round_}", content="same"))[0]

            with ThreadPoolExecutor(3) as pool:
                entered = list(pool.map(work, range(3)))
            assert Counter(one.outcome for one in entered) == {Outcome.STORED: 1, Outcome.DUPLICATE: 2}
            assert value(study_attributes(index, f"1.{round_}"), INSTANCE_COUNT) == 1

    def test_batches_over_the_same_studies_in_any_order_do_not_block_each_other(self, index: SQLIndex) -> None:
        def work(worker: int) -> list[Outcome]:
            order = range(6) if worker % 2 else range(5, -1, -1)
            return outcomes(enter(index, *(a_kept(study=f"1.{s}", uid=f"8.{s}.{worker}") for s in order)))

        with ThreadPoolExecutor(4) as pool:
            done = list(pool.map(work, range(8)))

        assert {outcome for one in done for outcome in one} == {Outcome.STORED}
        assert [value(study_attributes(index, f"1.{s}"), INSTANCE_COUNT) for s in range(6)] == [8] * 6

    def test_entering_and_removing_at_once_keep_the_counters(self, index: SQLIndex) -> None:
        enter(index, *(a_kept(uid=f"5.{number}") for number in range(20)))

        def remove(number: int) -> None:
            with index.begin() as tx:
                tx.remove(Selection(instance=Uid(f"5.{number}")), ALL)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: remove(n) if n < 15 else enter(index, a_kept()) and None, range(25)))

        assert value(study_attributes(index), INSTANCE_COUNT) == 15
        assert len(index.instances(Selection(), ALL)) == 15

    def test_a_reader_does_not_wait_for_a_writer(self, index: SQLIndex) -> None:
        enter(index, a_kept())
        with index.begin() as tx:
            tx.enter([a_kept()])
            with ThreadPoolExecutor(1) as pool:
                seen = pool.submit(study_attributes, index).result(timeout=5)

        assert value(seen, INSTANCE_COUNT) == 1

    # The rest of the rows

    def test_what_is_held_under_a_uid_is_known_with_its_place(self, index: SQLIndex) -> None:
        kept = a_kept()
        enter(index, kept)

        assert index.held(kept.description.uid) == (kept.content_digest, kept.location)
        assert index.held(Uid("9.9")) is None

    def test_a_released_quarantine_row_is_forgotten(self, index: SQLIndex) -> None:
        place = Location("segment-9", 4_096, 8_192, 8_000)
        with index.begin() as tx:
            number = tx.quarantine(
                "no header", "odd\0\udcff.bin", Source("api", "x", "north"), at(3), place, digest_of("x")
            )
        (aside,) = index.quarantined(Scope.of("north"), number)
        with index.begin() as tx:
            tx.release(number)

        assert (aside.id, aside.reason, aside.received_at, aside.location) == (number, "no header", at(3), place)
        assert index.quarantined(ALL) == []

    def test_a_record_gets_back_the_number_that_it_had_in_quarantine(self, index: SQLIndex) -> None:
        places = [Location("segment-9", offset, 8_192, 8_000) for offset in (0, 8_192, 16_384)]

        def lay_aside(*wanted: Location) -> None:
            with index.begin() as tx:
                for place in wanted:
                    tx.quarantine("odd", "f", Source("api", "x", "north"), at(3), place, digest_of("x"))

        lay_aside(*places)
        before = index.quarantined(ALL)
        with index.begin() as tx:
            tx.clear()
        lay_aside(places[2], places[0])
        with index.begin() as tx:
            tx.renumber(before)
        lay_aside(Location("segment-10", 0, 8_192, 8_000))
        *again, new = index.quarantined(ALL)

        assert again == [before[0], before[2]]
        assert new.id not in {one.id for one in before}

    def test_clear_leaves_ledger_tokens_and_devices(self, index: SQLIndex) -> None:
        enter(index, a_kept())
        with index.begin() as tx:
            tx.put_metadata(Uid("1.1.1"), index.metadata(Uid("1.1.1"), ALL)[0], b"x")
            tx.record([Event(at(1), Act.DEPOSITED, "x", "north")])
            tx.put_device(Device("SCP", "host", 104, False, frozenset({Right.STORE}), "north"))
        with index.begin() as tx:
            tx.clear()

        assert names_in(index) == []
        assert len(index.events(ALL)) == len(index.devices()) == 1
        assert outcomes(enter(index, a_kept())) == [Outcome.STORED]

    def test_the_ledger_gives_the_newest_events_first(self, index: SQLIndex) -> None:
        events = [
            Event(at(n), Act.VIEWED, "ann", "north", "192.0.2.1", Uid("1.1") if n else None, n, f"{n}")
            for n in range(5)
        ]
        with index.begin() as tx:
            tx.record(events)

        assert index.events(ALL, limit=3) == events[:1:-1]

    def test_lines_of_writers_at_once_hang_together(self, index: SQLIndex) -> None:
        def record(number: int) -> None:
            with index.begin() as tx:
                tx.record([Event(at(number), Act.VIEWED, f"{number}\0\udc80", "north", study=Uid("1.1"))] * 3)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(record, range(40)))
        with index.begin() as tx:
            heads = tx.ends_of_lanes()
            tx.put_checkpoint(Checkpoint(1, 0, tuple(heads), BEGINNING, ""))
        with index.begin() as tx:
            left = tx.ends_of_lanes()
            last = tx.last_checkpoint()
        lines = list(index.ledger(ALL))

        assert [(head.position, head.link) for head in heads] == [(120, lines[-1].link)]
        assert (left, [last]) == ([], index.checkpoints())
        assert list(faults(lines, index.checkpoints(), lambda _: True)) == []
        assert list(index.ledger(Scope.of("south"))) == []

    def test_two_checkpoints_of_one_number_cannot_be(self, index: SQLIndex) -> None:
        one = Checkpoint(1, 0, (), BEGINNING, "")
        with index.begin() as tx:
            tx.put_checkpoint(one)
        with pytest.raises(DBAPIError), index.begin() as tx:
            tx.put_checkpoint(one)

        assert index.checkpoints() == [one]

    def test_tokens_are_found_by_digest_until_they_expire_or_are_revoked(self, index: SQLIndex) -> None:
        token = Token(b"d" * 32, "lab", Role.CLINICIAN, "north", at(0), at(60), "f1" * 32)
        with index.begin() as tx:
            tx.put_token(token)
            tx.put_token(Token(b"e" * 32, "lab", Role.ADMIN, "north", at(0), at(60)))

        assert index.token(token.digest, at(59)) == token
        assert index.token(token.digest, at(60)) is None
        assert index.token(b"f" * 32, at(0)) is None
        assert len(index.tokens()) == 2
        with index.begin() as tx:
            assert tx.revoke_token("lab") == 2
        assert index.token(token.digest, at(1)) is None

    def test_sessions_end(self, index: SQLIndex) -> None:
        session = Session(b"s" * 32, "ann", Role.ADMIN, "north", at(0), at(60))
        with index.begin() as tx:
            tx.put_session(session)

        assert index.session(session.digest, at(1), EVER) == session
        assert index.session(session.digest, at(61), EVER) is None
        with index.begin() as tx:
            tx.end_session(session.digest)
        assert index.session(session.digest, at(1), EVER) is None

    def test_a_session_ends_with_the_token_it_was_opened_with(self, index: SQLIndex) -> None:
        token = Token(b"d" * 32, "lab", Role.CLINICIAN, "north", at(0), at(60))
        session = Session(b"s" * 32, "lab", Role.CLINICIAN, "north", at(0), at(60), token.digest)
        with index.begin() as tx:
            tx.put_token(token)
            tx.put_session(session)
        before = index.session(session.digest, at(1), EVER)
        with index.begin() as tx:
            tx.revoke_token("lab")

        assert before == session
        assert index.session(session.digest, at(1), EVER) is None

    def test_a_link_is_good_once_and_for_a_while(self, index: SQLIndex) -> None:
        session = Session(b"s" * 32, "ann", Role.ADMIN, "north", at(10), at(60))
        with index.begin() as tx:
            tx.put_link(b"one", session)
            tx.put_link(b"two", session)

        with index.begin() as tx:
            assert tx.use_link(b"one", at(5)) == session
            assert tx.use_link(b"one", at(5)) is None
            assert tx.use_link(b"two", at(60)) is None

    def test_what_has_expired_is_swept_and_tokens_later_than_the_rest(self, index: SQLIndex) -> None:
        def ending(minutes: int) -> Session:
            return Session(b"%d" % minutes, "ann", Role.ADMIN, "north", at(0), at(minutes))

        with index.begin() as tx:
            for minutes in (10, 30, 50):
                tx.put_token(Token(b"%d" % minutes, f"lab {minutes}", Role.ADMIN, "north", at(0), at(minutes)))
                tx.put_session(ending(minutes))
                tx.put_link(b"link %d" % minutes, ending(minutes))
        with index.begin() as tx:
            swept = [tx.sweep_expired(at(40), tokens=at(20)) for _ in range(2)]

        assert swept == [5, 0]
        assert [token.name for token in index.tokens()] == ["lab 30", "lab 50"]
        assert [minutes for minutes in (10, 30, 50) if index.session(b"%d" % minutes, at(5), EVER)] == [50]
        with index.begin() as tx:
            assert [minutes for minutes in (10, 30, 50) if tx.use_link(b"link %d" % minutes, at(5))] == [50]

    def test_a_link_used_twice_at_once_opens_once(self, index: SQLIndex) -> None:
        with index.begin() as tx:
            tx.put_link(b"one", Session(b"s", "ann", Role.ADMIN, "north", at(10), at(60)))

        def use(_: int) -> Session | None:
            with index.begin() as tx:
                return tx.use_link(b"one", at(1))

        with ThreadPoolExecutor(4) as pool:
            assert sum(session is not None for session in pool.map(use, range(4))) == 1

    def test_devices_are_put_and_removed_by_title(self, index: SQLIndex) -> None:
        rights = frozenset({Right.STORE, Right.MOVE})
        device = Device("SCP", "peer.example", 11112, True, rights, "north", "f1" * 32)
        with index.begin() as tx:
            tx.put_device(replace(device, port=1, certificate=""))
            tx.put_device(device)

        assert index.device("SCP") == device
        assert index.devices() == [device]
        with index.begin() as tx:
            assert tx.remove_device("SCP") == 1
            assert tx.remove_device("SCP") == 0
        assert index.device("SCP") is None

    # The schema

    def test_it_is_ready_after_the_migration_only(self, index: SQLIndex, address: str) -> None:
        assert index.is_ready()
        with index.begin() as tx:
            tx._connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
        assert not index.is_ready()

    def test_migrations_may_start_at_once(self, bare: str) -> None:
        def work(_: int) -> None:
            database = open_database(bare)
            migrate(database)
            database.close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        index = SQLIndex(open_database(bare), EVERYTHING)

        assert index.is_ready()
        index.close()
