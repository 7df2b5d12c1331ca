"""Attributes that a site makes searchable, on both databases: the same catalogue in all processes, the same rows."""

from datetime import UTC, datetime

import pytest

from contracts.described import a_kept
from imagebank.errors import Conflict
from imagebank.model.access import Scope
from imagebank.model.attribute import Attribute, Level, catalogue
from imagebank.model.declared import State
from imagebank.model.imaging import Selection
from imagebank.model.query import Query, condition
from imagebank.ports.searchable import Read
from imagebank.storage.database import open_database
from imagebank.storage.index import SQLIndex

ALL = Scope(organizations=None)
AT = datetime(2026, 3, 1, tzinfo=UTC)
AGENT = Attribute("ContrastBolusAgent", (0x00180010,), "LO", Level.SERIES, folded=True)
DOSE = Attribute("DoseNote", (0x00191010,), "LO", Level.STUDY, folded=True, creator="ACME")
OTHER = Attribute("OtherNote", (0x00191010,), "LO", Level.STUDY, folded=True, creator="OTHER")
KVP = Attribute("KVP", (0x00180060,), "DS", Level.INSTANCE)


def put(index: SQLIndex, *wanted: Attribute) -> list[bool]:
    with index.begin() as tx:
        return [tx.searchable.put(one, f"at {one.keyword}", "root", AT) for one in wanted]


def enter(index: SQLIndex, number: int) -> None:
    with index.begin() as tx:
        tx.enter([a_kept(study=f"1.{number}", content=f"content {number}", record=number)])


def said(index: SQLIndex, after: int, **values: str) -> list[Read]:
    """What each object after a row says of the agent, and of kV."""
    agent = {"00180010": {"vr": "LO", "Value": [values["agent"]]}}
    kvp = {"00180060": {"vr": "DS", "Value": [80]}}
    forms: tuple[dict[str, tuple[str, ...]], ...] = ({}, {}, {"00180010": (values["agent"],)}, {"00180060": ("80",)})
    return [
        Read(instance, ({}, {}, agent, kvp), forms, tells_of_patient=True)
        for _, instance in index.searchable.unread(after, 0, 10, ALL)
    ]


def count(index: SQLIndex, attribute: Attribute, value: str) -> int:
    asked = condition(attribute, value)
    assert asked is not None
    return index.count(Query(Level.INSTANCE, (asked,)), ALL)


def test_what_is_declared_is_in_the_catalogue_of_another_process(address: str, index: SQLIndex) -> None:
    enter(index, 1)
    made = put(index, DOSE, OTHER, AGENT, AGENT)
    other = SQLIndex(open_database(address), catalogue())
    known = other.searchable.catalogue()
    other.close()

    assert made == [True, True, True, False]
    assert known.version == 3
    assert [known.by_keyword[name].path for name in ("DoseNote", "OtherNote")] == [(0x00191010,), (0x00191110,)]
    assert known.find((0x0019A010,), {0x001900A0: "OTHER"}) == known.by_keyword["OtherNote"]
    assert known.by_keyword["DoseNote"].is_partial
    assert known.by_keyword["OtherNote"].tag == 0x00191110
    assert [one.attribute.path for one in index.searchable.declared()] == [(0x00180010,), (0x00191010,), (0x00191110,)]


def test_a_block_stays_when_another_creator_goes(index: SQLIndex) -> None:
    put(index, DOSE, OTHER)
    with index.begin() as tx:
        assert tx.searchable.leave("00191010")
        assert not tx.searchable.leave("00191010")
    with pytest.raises(Conflict):
        put(index, DOSE)
    with index.begin() as tx:
        assert not tx.searchable.forget("00191010")
        assert not tx.searchable.forget("00191010")

    assert index.searchable.catalogue().by_keyword["OtherNote"].path == (0x00191110,)
    assert put(index, DOSE) == [True]
    assert index.searchable.catalogue().by_keyword["DoseNote"].path == (0x00191010,)


def test_objects_are_read_by_their_rows_and_filled_in(index: SQLIndex) -> None:
    for number in range(1, 4):
        enter(index, number)
    put(index, AGENT, KVP)
    (first, _), (second, _) = index.searchable.unread(0, 0, 2, ALL)
    with index.begin() as tx:
        tx.searchable.fill(["00180010", "00180060"], said(index, first, agent="iohexol"))
        tx.searchable.advance(["00180010"], second, 2)
        tx.searchable.finish(["00180060"])
    agent, kvp = index.searchable.declared()

    assert [len(index.searchable.unread(first, upto, 9, ALL)) for upto in (0, second)] == [2, 1]
    assert index.searchable.unread(0, 0, 9, Scope.nothing()) == []
    assert (count(index, AGENT, "Iohexol"), count(index, KVP, "80")) == (2, 2)
    assert (agent.last, agent.done, agent.total, agent.state) == (second, 2, 3, State.FILLING)
    assert (kvp.done, kvp.state) == (3, State.WHOLE)


def test_what_is_gone_is_not_filled_in_and_the_first_that_came_tells(index: SQLIndex) -> None:
    enter(index, 1)
    put(index, AGENT)
    gone = said(index, 0, agent="gone")
    with index.begin() as tx:
        tx.remove(Selection(), ALL)
    enter(index, 2)
    with index.begin() as tx:
        tx.searchable.fill(["00180010"], [*gone, *said(index, 0, agent="stays")])
        tx.searchable.fill(["00180010"], [])

    assert (count(index, AGENT, "gone"), count(index, AGENT, "stays")) == (0, 1)


def test_forgetting_takes_out_values_and_elements_in_steps(index: SQLIndex) -> None:
    enter(index, 1)
    put(index, AGENT, KVP)
    with index.begin() as tx:
        tx.searchable.fill(["00180010", "00180060"], said(index, 0, agent="iohexol"))
    before = [one.attributes for one in index.find(Query(Level.INSTANCE, ()), ALL)]
    steps = []
    for key in ("00180010", "00180060"):
        with index.begin() as tx:
            tx.searchable.leave(key)
        for _ in range(3):
            with index.begin() as tx:
                steps.append(tx.searchable.forget(key))
    after = [one.attributes for one in index.find(Query(Level.INSTANCE, ()), ALL)]

    assert steps == [True, True, False] * 2
    assert {"00180010", "00180060"} <= set(before[0])
    assert not {"00180010", "00180060"} & set(after[0])
    assert index.searchable.declared() == []


def test_every_reader_of_images_has_to_be_given_a_scope() -> None:
    import inspect  # noqa: PLC0415 - here alone

    from imagebank.storage.searchable import SQLSearchable  # noqa: PLC0415

    assert inspect.signature(SQLSearchable.unread).parameters["scope"].default is inspect.Parameter.empty
