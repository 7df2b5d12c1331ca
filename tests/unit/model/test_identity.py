"""To which person a record belongs follows from the decisions in their order, and from nothing else."""

from datetime import UTC, datetime, timedelta
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from imagebank.model.identity import Decision, Deed, Ground, across, in_force, parted, persons, taken_back
from imagebank.model.person import PatientId

START = datetime(2026, 1, 1, tzinfo=UTC)
A, B, C, D = (PatientId(issuer, "1") for issuer in ("a", "b", "c", "d"))
OWN = {A: "pa", B: "pb", C: "pc", D: "pd"}
_numbers = count(1)


def decided(deed: Deed, *records: PatientId, undoes: str = "") -> Decision:
    number = next(_numbers)
    return Decision(f"d{number}", START + timedelta(seconds=number), deed, Ground.HUMAN, "root", records, undoes=undoes)


def undone(one: Decision) -> Decision:
    return decided(Deed.UNDO, *one.records, undoes=one.id)


def groups(*decisions: Decision) -> set[frozenset[PatientId]]:
    whose = persons(OWN, decisions)
    return {frozenset(each for each in whose if whose[each] == person) for person in whose.values()}


def apart(*records: PatientId) -> set[frozenset[PatientId]]:
    return {frozenset({each}) for each in records}


def test_a_link_moves_one_record_and_a_merge_the_whole_person() -> None:
    first = decided(Deed.LINK, B, A)

    assert groups(first, decided(Deed.LINK, B, C)) == {frozenset({B, C}), *apart(A, D)}
    assert groups(first, decided(Deed.MERGE, B, C)) == {frozenset({A, B, C}), *apart(D)}


def test_a_merge_in_the_middle_is_undone_without_what_came_after_it() -> None:
    first, second = decided(Deed.MERGE, A, B), decided(Deed.MERGE, B, C)

    assert groups(first, second) == {frozenset({A, B, C}), *apart(D)}
    assert groups(first, second, undone(first)) == {frozenset({B, C}), *apart(A, D)}
    assert groups(first, second, undone(second)) == {frozenset({A, B}), *apart(C, D)}


def test_an_undoing_is_undone_too() -> None:
    merge = decided(Deed.MERGE, A, B)
    back = undone(merge)
    again = undone(back)

    assert taken_back([merge, back]) == {merge.id}
    assert taken_back([merge, back, again]) == {back.id}
    assert groups(merge, back) == apart(A, B, C, D)
    assert groups(merge, back, again) == {frozenset({A, B}), *apart(C, D)}
    assert in_force([again, back, merge]) == [merge]


def test_who_is_unlinked_stands_alone_and_the_others_stay_together() -> None:
    together = decided(Deed.LINK, A, B), decided(Deed.LINK, C, B)
    whose = persons(OWN, [*together, out := decided(Deed.UNLINK, B, A, C)])

    assert whose == {A: "pb", B: out.id, C: "pb", D: "pd"}
    assert persons(OWN, [*together, decided(Deed.UNLINK, A, B, C)])[A] == "pa"


def test_nothing_links_by_itself_what_somebody_has_parted() -> None:
    link, aside = decided(Deed.LINK, A, B), decided(Deed.APART, C, D)
    out = decided(Deed.UNLINK, B, A)

    assert parted([link, aside]) == {frozenset({C, D})}
    assert parted([link, undone(link)]) == {frozenset({A, B})}
    assert parted([link, out, undone(out)]) == frozenset()
    assert across(parted([aside]), [A, C], [B, D])
    assert not across(parted([aside]), [A, B], [C, D])


@given(st.lists(st.tuples(st.sampled_from([*Deed]), st.permutations([A, B, C, D]), st.integers(0, 50)), max_size=30))
def test_whatever_is_decided_is_undone_without_loss(wanted: list[tuple[Deed, list[PatientId], int]]) -> None:
    decisions: list[Decision] = []
    for deed, records, which in wanted:
        if deed is not Deed.UNDO:
            decisions.append(decided(deed, *records[:2]))
        elif decisions:
            decisions.append(undone(decisions[which % len(decisions)]))
    before = persons(OWN, decisions)
    last = decided(Deed.MERGE, A, D)

    assert before.keys() == OWN.keys()
    assert persons(OWN, [*decisions, last, undone(last)]) == before
    assert persons(OWN, [*decisions, *(undone(one) for one in in_force(decisions))]) == OWN
