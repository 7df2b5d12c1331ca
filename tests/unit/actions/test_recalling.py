"""Fetching from other archives: what comes is a deposit, goes on where it broke, and is of whom it was asked for."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank.actions import asking, recalling, rights
from imagebank.actions.arrival import Arrival
from imagebank.errors import NotAllowed, NotFound, Unavailable
from imagebank.model.access import Principal, Role, Scope
from imagebank.model.elsewhere import Recall
from imagebank.model.event import Act
from imagebank.model.imaging import Selection
from imagebank.model.provision import Kind, Provision
from imagebank.model.transfer import State
from imagebank.model.uid import Uid
from unit.actions.archives_there import THERE, There, ada_is_here, listed, objects, said

ALL = Scope(None)
STUDY = Uid("2.1")


@pytest.fixture
def there(tmp_path: Path) -> Iterator[There]:
    """An archive that has answered."""
    with open_test_bank(tmp_path, archives_file=listed(tmp_path)) as bank:
        ada_is_here(bank)
        found = There(bank, [said("2.1")], objects("2.1"))
        asking.have_asked(bank, [THERE], "kim", "local")
        found.work()
        found.asked.clear()
        yield found


def kim(there: There, role: Role = Role.ADMIN) -> Principal:
    return rights.principal(there.bank, "kim", role, "local")


def fetched(there: There) -> Recall:
    recalling.ask(there.bank, kim(there), "Harbour", STUDY, "10.0.0.7")
    there.work()
    return recalling.one(there.bank, kim(there), "Harbour", STUDY)


def held(there: There) -> dict[str, str]:
    found = there.bank.index.instances(Selection(study=STUDY), Scope.of("harbour"))
    return {str(one.uid): one.patient.identifier for one in found}


def test_what_is_fetched_is_a_deposit_of_the_archive_s_organization(there: There) -> None:
    done = fetched(there)

    assert (done.state, done.kept, done.total, done.reason) == (State.DONE, 3, 3, "")
    assert held(there) == dict.fromkeys(objects("2.1"), "H7")
    told = [(one.act, one.study, one.detail) for one in there.bank.index.events(ALL, 100) if one.principal == "kim"]
    assert (Act.DECIDED, STUDY, "archive Harbour: fetch asked for") in told
    assert (Act.DECIDED, STUDY, "archive Harbour: fetch done, 3 of 3") in told
    assert any(act is Act.DEPOSITED and study == STUDY for act, study, _ in told)
    assert recalling.recalls(there.bank, kim(there)) == [done]
    assert recalling.recalls(there.bank, replace(kim(there, Role.CLINICIAN), name="lee")) == []


def test_who_may_not_know_of_a_study_cannot_have_it_fetched(there: There) -> None:
    with pytest.raises(NotFound, match="or you may not know of it"):
        recalling.ask(there.bank, kim(there, Role.CLINICIAN), "Harbour", STUDY)
    with pytest.raises(NotFound, match="or you may not know of it"):
        recalling.ask(there.bank, kim(there), "Harbour", Uid("9.9"))
    with pytest.raises(NotAllowed):
        recalling.ask(there.bank, kim(there, Role.REFERRER), "Harbour", STUDY)
    with pytest.raises(NotFound, match="no such study from there"):
        recalling.one(there.bank, kim(there), "Harbour", STUDY)


def test_how_far_it_is_is_told_to_who_may_know_of_the_study(there: There) -> None:
    done = fetched(there)
    lee = replace(kim(there, Role.CLINICIAN), name="lee")
    with pytest.raises(NotFound):
        recalling.one(there.bank, lee, "Harbour", STUDY)

    theirs = replace(rights.principal(there.bank, "lee", Role.CLINICIAN, "harbour"), name="lee")
    assert recalling.one(there.bank, theirs, "Harbour", STUDY) == done


def test_a_fetch_goes_on_where_it_broke(there: There) -> None:
    there.breaks_after, there.error = 2, None
    recalling.ask(there.bank, kim(there), "Harbour", STUDY)
    there.breaks_after = 2
    named = there.named = {"2.1.1": list(there.files)}
    lost = Unavailable("it hung up")
    way = there.way()

    def bring(*given: object) -> object:
        there.error = lost
        yield from way.bring(*given)  # type: ignore[arg-type] # as it is called

    ways = {"url": replace(way, bring=bring)}  # type: ignore[arg-type] # the same
    with pytest.raises(Unavailable, match="hung up"):
        recalling.work(ways, there.bank, {"archive": "Harbour", "study": STUDY})
    broken = recalling.one(there.bank, kim(there), "Harbour", STUDY)
    assert (broken.state, broken.kept, broken.total, broken.reason) == (State.WAITING, 2, 3, "it hung up")
    assert recalling.ask(there.bank, kim(there), "Harbour", STUDY) == broken

    there.error, there.breaks_after, there.named = None, 1000, named
    there.asked.clear()
    there.work()
    assert (there.asked, len(held(there))) == (["2.1.1.2"], 3)
    assert recalling.one(there.bank, kim(there), "Harbour", STUDY).state is State.DONE


def test_objects_of_somebody_else_are_not_taken_in(there: There) -> None:
    there.files |= {"2.1.1.1": objects("2.1", "H8")["2.1.1.1"], "2.1.1.2": b"no DICOM"}
    done = fetched(there)

    assert (done.state, done.kept, done.total) == (State.DONE, 1, 3)
    assert done.reason == "2 objects were not taken in: it is of another patient than the one who was asked for"
    assert held(there) == {"2.1.1.0": "H7"}


def test_what_an_archive_names_and_does_not_give_is_tried_again(there: There) -> None:
    there.named = {"2.1.1": [*there.files, "2.1.1.9"]}
    waits = fetched(there)

    assert (waits.state, waits.kept, waits.total, waits.reason) == (
        State.WAITING,
        3,
        4,
        "1 of its objects did not come",
    )
    (line,) = there.bank.index.elsewhere.lines()
    assert line.failures == 1


def test_it_stops_where_the_archive_has_it_no_more(there: There) -> None:
    recalling.ask(there.bank, kim(there), "Harbour", STUDY)
    there.error = NotFound("the archive names this study no more")
    there.work()

    done = recalling.one(there.bank, kim(there), "Harbour", STUDY)
    assert (done.state, done.reason) == (State.STOPPED, "the archive names this study no more")


def test_it_stops_once_who_wants_it_may_not_know_of_it_any_more(there: There) -> None:
    starts = there.bank.now() - timedelta(hours=1)
    consent = Provision("p1", Kind.CONSENT, True, THERE, starts, organization="local")
    with there.bank.index.begin() as tx:
        tx.put_provision(consent)
    recalling.ask(there.bank, kim(there, Role.CLINICIAN), "Harbour", STUDY)
    with there.bank.index.begin() as tx:
        tx.put_provision(replace(consent, revoked_at=starts))
    there.work()

    done = recalling.one(there.bank, kim(there), "Harbour", STUDY)
    assert (done.state, held(there)) == (State.STOPPED, {})
    recalling.work({}, there.bank, {"archive": "Harbour", "study": "2.1"})
    recalling.work({}, there.bank, {"archive": "Harbour", "study": "9.9"})


def test_a_long_fetch_goes_on_as_another_job(there: There) -> None:
    there.files |= objects("2.1", count=5)
    way = there.way()

    def bring(*given: object) -> object:
        for one in way.bring(*given):  # type: ignore[arg-type] # as it is called
            there.after += timedelta(seconds=40)
            yield one

    recalling.ask(there.bank, kim(there), "Harbour", STUDY)
    ways = {"url": replace(way, bring=bring)}  # type: ignore[arg-type] # the same
    recalling.work(ways, there.bank, {"archive": "Harbour", "study": STUDY})
    assert recalling.one(there.bank, kim(there), "Harbour", STUDY).kept == 2

    there.work()
    assert recalling.one(there.bank, kim(there), "Harbour", STUDY).kept == 5


def test_what_has_ended_meanwhile_ends_once(there: There) -> None:
    recalling.ask(there.bank, kim(there), "Harbour", STUDY)
    way = there.way()

    def named(*given: object) -> object:
        with there.bank.index.begin() as tx:
            tx.elsewhere.settle("Harbour", STUDY, State.STOPPED, "by another worker", there.bank.now())
        return way.named(*given)  # type: ignore[arg-type] # as it is called

    ways = {"url": replace(way, named=named)}  # type: ignore[arg-type] # the same
    recalling.work(ways, there.bank, {"archive": "Harbour", "study": STUDY})

    assert recalling.one(there.bank, kim(there), "Harbour", STUDY).reason == "by another worker"


def test_an_archive_that_sends_by_itself_goes_on_as_another_job(there: There) -> None:
    way = there.way()

    def bring(*_: object) -> Iterator[Arrival]:
        there.after += timedelta(seconds=70)
        yield from ()

    recalling.ask(there.bank, kim(there), "Harbour", STUDY)
    recalling.work({"url": replace(way, bring=bring)}, there.bank, {"archive": "Harbour", "study": STUDY})
    assert recalling.one(there.bank, kim(there), "Harbour", STUDY).state is State.WAITING

    there.work()
    assert recalling.one(there.bank, kim(there), "Harbour", STUDY).state is State.DONE
