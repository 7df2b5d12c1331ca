"""What is proposed of files, on both databases."""

from sqlalchemy import select, update

from contracts.described import a_kept
from imagebank.model.access import Scope
from imagebank.model.imaging import Selection
from imagebank.model.proposal import Proposal, ProposalSource
from imagebank.model.uid import Uid
from imagebank.storage import tables
from imagebank.storage.index import SQLIndex

ALL = Scope(organizations=None)
ONE, TWO = Uid("1.1.9.1"), Uid("1.1.9.2")
RIGHT = Proposal("laterality", "R", ProposalSource.NAME, "file name: 山田\0_OD.jpg", 0.9)
NAME = Proposal("patient_name", "Diaz^Ana", ProposalSource.DOCUMENT, "Patient: Ana Diaz", 0.8)


def put(index: SQLIndex, uid: Uid, *proposals: Proposal) -> None:
    with index.begin() as tx:
        tx.proposals.put(uid, proposals)


def enter(index: SQLIndex, *uids: Uid) -> None:
    with index.begin() as tx:
        tx.enter([a_kept(study="1.1", uid=uid, organization="north", patient="P1") for uid in uids])


def rows(index: SQLIndex) -> list[str]:
    """Of which instances proposals are kept, whether they are here or not."""
    with index._database.reading() as connection:
        return sorted(connection.scalars(select(tables.proposal.c.sop_instance_uid)))


def test_what_was_proposed_is_read_by_instance(index: SQLIndex) -> None:
    enter(index, ONE, TWO)
    put(index, ONE, RIGHT, NAME)
    put(index, TWO, NAME)

    found = index.proposals.of([ONE, TWO, Uid("1.2")], ALL)
    assert [one.field for one in found[ONE]] == ["laterality", "patient_name"]
    assert found[ONE][0].evidence == "file name: 山田\\u0000_OD.jpg".replace("\\u0000", "\0")
    assert found[TWO] == (NAME,)
    assert index.proposals.of([TWO], ALL) == {TWO: (NAME,)}
    assert index.proposals.of([], ALL) == {}


def test_the_last_word_stands_in_the_place_of_the_first(index: SQLIndex) -> None:
    enter(index, ONE)
    put(index, ONE, RIGHT)
    put(index, ONE, NAME)
    assert index.proposals.of([ONE], ALL) == {ONE: (NAME,)}

    put(index, ONE)
    assert index.proposals.of([ONE], ALL) == {}


def test_what_is_not_in_scope_has_no_proposals(index: SQLIndex) -> None:
    enter(index, ONE)
    put(index, ONE, RIGHT)

    assert index.proposals.of([ONE], Scope.of("north"))
    assert index.proposals.of([ONE], Scope.of("south")) == {}


def test_a_file_may_come_before_its_object(index: SQLIndex) -> None:
    put(index, ONE, NAME)
    assert index.proposals.of([ONE], ALL) == {}

    enter(index, ONE)
    assert index.proposals.of([ONE], ALL) == {ONE: (NAME,)}


def test_proposals_go_with_their_instance(index: SQLIndex) -> None:
    enter(index, ONE, TWO)
    put(index, ONE, RIGHT)
    put(index, TWO, NAME)
    with index.begin() as tx:
        tx.remove(Selection(instance=ONE), ALL)

    assert rows(index) == [TWO]
    assert index.proposals.of([ONE, TWO], ALL) == {TWO: (NAME,)}


def test_proposals_go_with_an_account_that_is_destroyed(index: SQLIndex) -> None:
    enter(index, ONE, TWO)
    with index._database.writing() as connection:
        theirs = update(tables.instance).where(tables.instance.c.sop_instance_uid == ONE)
        connection.execute(theirs.values(sealed_by=b"key"))
    put(index, ONE, RIGHT)
    put(index, TWO, NAME)
    with index.begin() as tx:
        tx.shred([b"key"])

    assert rows(index) == [TWO]


def test_proposals_are_not_there_after_everything_was_cleared(index: SQLIndex) -> None:
    enter(index, ONE)
    put(index, ONE, RIGHT)
    with index.begin() as tx:
        tx.clear()

    assert rows(index) == []
