"""What pictures are known again by, and those that are held twice, on both databases."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from contracts.described import a_kept
from contracts.indexes import opened
from imagebank.model.access import Scope
from imagebank.model.imaging import Pixels, Selection
from imagebank.model.person import PatientId
from imagebank.model.picture import Answer, Fingerprint, Ground, Likely, Pair, Side, Verdict, distance
from imagebank.model.uid import Uid
from imagebank.storage import pictures
from imagebank.storage.index import SQLIndex
from imagebank.storage.shape import shape_of
from schema import migrated_file

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALL, NORTH, SOUTH = Scope(organizations=None), Scope.of("north"), Scope.of("south")
LOOK = 0xF0F0_1234_5678_9ABC
PAIR = Pair(Uid("1.1.7"), Uid("1.2.7"), Uid("1.1"), Uid("1.2"), Ground.ALIKE, 3)
VERDICT = Verdict(Uid("1.1"), Uid("1.2"), Answer.RIGHT, "Ana", NOW, "a copy")


def enter(index: SQLIndex, uid: str, organization: str = "north", *, has_pixels: bool = True) -> Uid:
    """An image whose study is named by all but the last part of its UID."""
    study = uid.rpartition(".")[0]
    kept = a_kept(study=study, uid=uid, organization=organization, patient=f"P{study}", content=uid)
    pixels = Pixels(0, 8, False, 1) if has_pixels else None
    with index.begin() as tx:
        tx.enter([replace(kept, description=replace(kept.description, pixels=pixels))])
    return Uid(uid)


def a_print(look: int | None = LOOK, digest: bytes = b"d" * 32, *, is_telling: bool = True) -> Fingerprint:
    return Fingerprint(digest, look, is_telling)


def put(index: SQLIndex, uid: str, fingerprint: Fingerprint) -> None:
    with index.begin() as tx:
        tx.pictures.put([(Uid(uid), fingerprint)])


def alike(index: SQLIndex, fingerprint: Fingerprint, study: str = "9.9", scope: Scope = ALL) -> list[Likely]:
    return index.pictures.alike(fingerprint, Uid(study), scope, 50)


def test_what_was_not_looked_at_is_listed_by_place(index: SQLIndex) -> None:
    uids = [enter(index, f"1.1.{number}") for number in range(1, 4)]
    other = enter(index, "1.2.1", "south")
    enter(index, "1.3.1", has_pixels=False)
    put(index, "1.1.2", a_print())
    undone = index.pictures.undone(9, ALL)

    assert [one.uid for one in undone] == [uids[0], uids[2], other]
    assert index.pictures.undone(1, ALL) == undone[:1]
    assert index.pictures.undone(9, ALL, after=undone[0].place) == undone[1:]
    assert [one.uid for one in index.pictures.undone(9, ALL, Uid("1.2.1"))] == [other]
    assert [one.uid for one in index.pictures.undone(9, SOUTH)] == [other]
    assert (index.pictures.count(ALL), index.pictures.count(SOUTH)) == ((1, 4), (0, 1))


def test_the_exact_and_the_near_are_found_in_other_studies_and_in_scope(index: SQLIndex) -> None:
    for uid, organization in (("1.1.1", "north"), ("1.2.1", "north"), ("1.3.1", "south"), ("1.4.1", "north")):
        enter(index, uid, organization)
    enter(index, "1.5.1")
    put(index, "1.1.1", a_print())
    put(index, "1.2.1", a_print(LOOK ^ 0b111 << 60, b"e" * 32))
    put(index, "1.3.1", a_print(LOOK))
    put(index, "1.4.1", a_print(LOOK, is_telling=False))
    put(index, "1.5.1", a_print(LOOK ^ 0b1111111 << 30, b"f" * 32))

    same, near = Likely(Uid("1.1.1"), Uid("1.1"), Ground.EXACT), Likely(Uid("1.2.1"), Uid("1.2"), Ground.ALIKE, 3)
    assert alike(index, a_print()) == [same, Likely(Uid("1.3.1"), Uid("1.3"), Ground.EXACT), near]
    assert alike(index, a_print(), "1.1", NORTH) == [near]
    assert alike(index, a_print(None)) == alike(index, a_print())[:2]
    assert alike(index, a_print(None, b"")) == []
    assert index.pictures.alike(a_print(), Uid("9.9"), ALL, 1) == [same]


def test_every_look_within_six_bits_is_found_and_none_beyond(index: SQLIndex) -> None:
    chance = random.Random(7)
    looks = {}
    for number in range(1, 121):
        bits = chance.sample(range(64), chance.randint(0, 9))
        looks[enter(index, f"1.{number}.1")] = LOOK ^ sum(1 << bit for bit in bits)
    with index.begin() as tx:
        tx.pictures.put([(uid, a_print(look, str(uid).encode())) for uid, look in looks.items()])

    expected = {uid for uid, look in looks.items() if distance(look, LOOK) <= 6}
    found = index.pictures.alike(a_print(), Uid("9.9"), ALL, 500)
    assert {one.uid for one in found} == expected
    assert 0 < len(expected) < 120
    assert [one.distance for one in found] == sorted(distance(looks[one.uid], LOOK) for one in found)


def test_near_looks_are_found_by_the_indexes_of_their_parts(tmp_path: Path) -> None:
    with opened(migrated_file(tmp_path / "index.db")) as index, index._database.reading() as connection:
        statement = pictures._alike(shape_of(ALL), by_look=True)._text(connection)
        given = {"study": "9.9", **{f"band_{number}": "[1,2]" for number in range(4)}}
        plan = connection.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", given)
        steps = [detail for *_, detail in plan]

    assert not [step for step in steps if step.startswith("SCAN fingerprint")]
    assert {f"fingerprint_band_{number}" for number in range(4)} <= set(" ".join(steps).split())


def test_pairs_are_told_by_studies_to_who_sees_both(index: SQLIndex) -> None:
    first, second = enter(index, "1.1.7"), enter(index, "1.2.7", "south")
    enter(index, "1.1.8")
    more = replace(PAIR, first=Uid("1.1.8"), ground=Ground.EXACT, distance=0)
    with index.begin() as tx:
        new = tx.pictures.file([PAIR, more, replace(PAIR, first=Uid("1.1.99"))], NOW)
        again = tx.pictures.file([PAIR], NOW + timedelta(days=1))
        nothing = tx.pictures.file([], NOW)
    (found,) = index.pictures.findings(ALL, 9)

    assert (new, again, nothing) == ([(Uid("1.1"), Uid("1.2"))], [], [])
    assert found.first == Side(Uid("1.1"), first, Uid("1.1.1"), PatientId("north", "P1.1"), "north", "20260102")
    assert (found.second.instance, found.second.organization) == (second, "south")
    assert (found.ground, found.pictures, found.found_at, found.verdict) == (Ground.EXACT, 2, NOW, None)
    assert index.pictures.finding(Uid("1.1"), Uid("1.2"), ALL) == found
    assert index.pictures.findings(ALL, 9, offset=1) == []
    for scope in (NORTH, SOUTH, Scope.nothing()):
        assert index.pictures.findings(scope, 9) == []
        assert index.pictures.finding(Uid("1.1"), Uid("1.2"), scope) is None


def test_what_is_settled_is_no_open_finding_and_is_not_new_again(index: SQLIndex) -> None:
    enter(index, "1.1.7")
    enter(index, "1.2.7")
    with index.begin() as tx:
        tx.pictures.file([PAIR], NOW)
        tx.pictures.settle(replace(VERDICT, answer=Answer.DIFFERENT))
        tx.pictures.settle(VERDICT)
    open_ones, settled = index.pictures.findings(ALL, 9), index.pictures.findings(ALL, 9, is_open=False)
    with index.begin() as tx:
        tx.remove(Selection(study=Uid("1.1")), ALL)
    gone = index.pictures.findings(ALL, 9, is_open=False)
    enter(index, "1.1.7")
    with index.begin() as tx:
        new = tx.pictures.file([PAIR], NOW)

    assert (open_ones, [one.verdict for one in settled]) == ([], [VERDICT])
    assert (gone, new) == ([], [])


def test_what_goes_takes_its_fingerprint_along(index: SQLIndex) -> None:
    enter(index, "1.1.7")
    put(index, "1.1.7", a_print())
    put(index, "1.1.7", a_print(None, b""))
    put(index, "9.9.9", a_print())
    before = index.pictures.count(ALL)
    with index.begin() as tx:
        tx.remove(Selection(study=Uid("1.1")), ALL)
    enter(index, "1.1.7")

    assert before == (1, 1)
    assert index.pictures.count(ALL) == (0, 1)


def test_what_was_said_of_studies_is_forgotten_with_them(index: SQLIndex) -> None:
    enter(index, "1.1.7")
    enter(index, "1.2.7")
    with index.begin() as tx:
        tx.pictures.file([PAIR], NOW)
        tx.pictures.settle(VERDICT)
        pictures.forget_studies(tx._connection, ["1.2"])

    assert len(index.pictures.findings(ALL, 9)) == 1
    with index.begin() as tx:
        tx.clear()
        assert tx.pictures.file([PAIR], NOW) == []
    assert index.pictures.findings(ALL, 9) == []
