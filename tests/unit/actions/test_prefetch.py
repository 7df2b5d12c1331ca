"""Priors made ready before somebody reads: on an order, an admission and the first object, within what a site permits."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bank import open_test_bank
from imagebank.actions import consent, devices, foreseen, orders, prefetch, prefetch_standing
from imagebank.bank import Bank
from imagebank.errors import NotAllowed, Unavailable
from imagebank.exams.prefetching import prefetching
from imagebank.model.access import Device, Principal, Right, Scope
from imagebank.model.encounter import Encounter, Stay
from imagebank.model.imaging import Instance, Selection
from imagebank.model.order import Code, Order, Ordered, Patient, State
from imagebank.model.person import PatientId
from imagebank.model.prefetch import HERE, Link
from imagebank.model.prefetch import State as Fate
from imagebank.model.provision import Kind, Provision
from imagebank.model.transfer import Destination
from imagebank.model.uid import Uid
from imagebank.worker import WORK, step
from unit.actions.test_priors import ADMIN, ALL, N1, S1, deposit, linked

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
TABLE = "priors = {priors}\nwarm = {warm}\nwarm_a_day = {warm_a_day}\nfresh_days = 7\nagain_days = 7\n"
CT = Order(
    "north",
    Patient(N1, "Varga^Ada"),
    NOW,
    State.SCHEDULED,
    filler="F1",
    modality="CT",
    scheduled_at="20260302",
    ordered=Ordered(Code("", "CT HEAD WO", ""), place="Ward 3"),
)


def write(file: Path, *pushes: str, priors: int = 3, warm: str = "false", warm_a_day: int = 9, more: str = "") -> None:
    text = TABLE.format(priors=priors, warm=warm, warm_a_day=warm_a_day) + more
    file.write_text(text + "".join(f"[[push]]\n{one}\n" for one in pushes), "utf-8")


@dataclass
class Site:
    """A bank with a clock that is set, and what its station was sent."""

    bank: Bank
    file: Path
    now: datetime = NOW
    sent: list[tuple[str, str, int]] = field(default_factory=list)
    refuses: bool = False

    def work(self) -> list[str]:
        """Do all that is due within the minute; the studies that were sent."""
        before, self.now = len(self.sent), self.now + timedelta(minutes=1)
        for _ in range(100):
            if not step(self.bank, {**WORK, prefetch.PUSH: partial(prefetch.push_job, self.send)}):
                break
        return [study for _, study, _ in self.sent[before:]]

    def arrive(self) -> None:
        """Do what is due for objects that came, which have the machine's own clock."""
        while (job := self.bank.jobs.claim([foreseen.JOB], datetime(2100, 1, 1, tzinfo=UTC), 60)) is not None:
            prefetch.prefetch_job(self.bank, job.payload)
            self.bank.jobs.finish(job)

    def send(
        self, _: Bank, by: Principal, to: Destination, held: Sequence[Instance], __: str, ___: Callable[..., None]
    ) -> list[str]:
        if self.refuses:
            return ["status 0xa700"]
        self.sent.append((f"{by.name} {to.device}", held[0].study, len(held)))
        return []

    def rules(self, *pushes: str, **given: Any) -> None:
        write(self.file, *pushes, **given)
        prefetching.cache_clear()

    def warmed(self) -> set[str]:
        made = [one for one in self.bank.index.prefetches.newest(99) if (one.device, one.state) == (HERE, Fate.DONE)]
        return {one.study for one in made}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Ada has two CTs of the head here and one of south, and one of a foot."""
    file = tmp_path / "prefetch.toml"
    write(file)
    with open_test_bank(tmp_path, organization="north", prefetch_file=file) as opened:
        made = Site(opened, file)
        made.bank = replace(opened, now=lambda: made.now)
        made.rules("device = 'READ1'")
        devices.add(made.bank, Device("READ1", "127.0.0.1", 11112, False, frozenset({Right.FIND}), "north"))
        for study, day, words in (
            ("1.1", "20260101", "HEAD"),
            ("1.2", "20250101", "HEAD"),
            ("1.3", "20250601", "FOOT"),
        ):
            deposit(made.bank, N1, study, day, f"CT {words}")
        deposit(made.bank, S1, "1.4", "20260201", "CT HEAD")
        linked(made.bank)
        made.work()
        yield made


def hear(site: Site, **given: Any) -> None:
    orders.hear(site.bank, [replace(CT, **given)], "RIS")


def test_an_order_pushes_its_priors_once_however_often_it_is_told_of(site: Site) -> None:
    for number in range(10):
        hear(site, event_at=NOW + timedelta(seconds=number), accession=f"A{number}")
    first = site.work()
    hear(site, event_at=NOW + timedelta(minutes=5), accession="B")
    again = site.work()
    site.now += timedelta(days=8)
    hear(site, event_at=NOW + timedelta(minutes=9), accession="C")

    assert (sorted(first), again, sorted(site.work())) == (["1.1", "1.2"], [], ["1.1", "1.2"])
    assert site.sent[0] == ("prefetch READ1", "1.1", 1)
    assert {one.state for one in site.bank.index.prefetches.newest(9)} == {Fate.DONE}


def test_an_order_that_is_over_and_a_site_that_wants_nothing_need_nothing(site: Site) -> None:
    hear(site, state=State.CANCELLED)
    site.rules("device = 'READ1'", priors=0)
    hear(site, filler="F2")
    empty = site.work()
    site.rules()
    hear(site, filler="F3")
    hear(site, filler="F4")
    hear(site, filler="F4", state=State.DONE, event_at=NOW + timedelta(seconds=1))

    assert empty == site.work() == []


def test_rules_say_which_exams_and_devices(site: Site) -> None:
    site.rules("device = 'GONE'", "device = 'READ1'\nmodalities = ['MR']", "device = 'READ1'\ndepartments = ['Ward 3']")
    hear(site, ordered=replace(CT.ordered, place="Ward 4"))
    elsewhere = site.work()
    hear(site, filler="F2")

    assert (elsewhere, sorted(site.work())) == ([], ["1.1", "1.2"])


def test_an_admission_makes_ready_what_is_ordered_for_the_patient(site: Site) -> None:
    site.rules()
    hear(site, state=None)
    site.work()
    site.rules("device = 'READ1'")
    visit = Encounter("north", "V1", N1, NOW)
    orders.visit(site.bank, replace(visit, number="V0", stay=Stay.CANCELLED), "ADT")
    cancelled = site.work()
    orders.visit(site.bank, visit, "ADT")
    orders.visit(site.bank, replace(visit, event_at=NOW - timedelta(days=1)), "ADT")

    assert (cancelled, sorted(site.work())) == ([], ["1.1", "1.2"])


def test_who_comes_without_an_order_has_the_newest_exam_of_each_kind_and_part_made_ready(site: Site) -> None:
    site.rules("device = 'READ1'\nmodalities = ['CT']", "device = 'READ1'\nmodalities = ['MR']", warm="true")
    deposit(site.bank, N1, "1.5", "20260201", "MR HEAD", Modality="MR")
    deposit(site.bank, N1, "1.6", "20200201", "CT ABDOMEN")
    deposit(site.bank, N1, "1.7", "20260205", "SOMETHING", Modality="OT")
    orders.visit(site.bank, Encounter("north", "V1", N1, NOW, place="Ward 3"), "ADT")

    assert sorted(site.work()) == ["1.1", "1.3", "1.5"]
    assert site.warmed() == {"1.5", "1.1", "1.3"}


def test_how_many_exams_of_who_comes_a_site_says_and_an_order_is_worth_more(site: Site) -> None:
    site.rules("device = 'READ1'", more="admitted = 1\n")
    orders.visit(site.bank, Encounter("north", "V1", N1, NOW), "ADT")
    one = site.work()
    site.rules("device = 'READ1'", more="admitted = 0\n")
    orders.visit(site.bank, Encounter("north", "V2", N1, NOW), "ADT")
    none = site.work()
    hear(site)
    orders.visit(site.bank, Encounter("north", "V3", N1, NOW), "ADT")

    assert (one, none, site.work()) == (["1.1"], [], ["1.2"])


def test_the_bank_and_every_station_stand_there_with_what_waits_and_what_was_done(site: Site) -> None:
    site.rules("device = 'READ1'\nstudies_a_day = 1", "device = 'READ2'", warm="true", warm_a_day=1)
    hear(site)
    site.work()
    beyond = [one.link for one in prefetch_standing.standing(site.bank)]
    site.refuses, site.now = True, site.now + timedelta(days=1)
    site.work()
    here, first, second = prefetch_standing.standing(site.bank)
    site.rules("device = 'READ2'")

    assert [(one.device, one.done, one.limited, one.failed) for one in beyond] == [
        (HERE, 1, 1, 0),
        ("READ1", 1, 1, 0),
        ("READ2", 0, 0, 0),
    ]
    assert (here.link.done, here.link.limited, second.link, second.is_known) == (0, 0, Link("READ2"), False)
    assert (first.link.failed, first.link.limited, first.link.oldest) == (1, 0, NOW + timedelta(minutes=2))
    assert [one.studies_a_day for one in (here, first, second)] == [1, 1, 200]
    assert [one.studies_a_day for one in prefetch_standing.standing(site.bank)] == [9, None, 200]


def test_who_administers_sees_what_is_newest_of_what_they_see_and_nobody_else_does(site: Site) -> None:
    site.rules(warm="true")
    hear(site)
    site.work()
    seen = prefetch_standing.report(site.bank, ADMIN, "test")
    south = prefetch_standing.report(site.bank, replace(ADMIN, scope=Scope.of("south")), "test")
    with pytest.raises(NotAllowed):
        prefetch_standing.report(site.bank, replace(ADMIN, rights=frozenset({Right.AUDIT})), "test")

    assert {one.study for one, _ in seen[1]} == {"1.1", "1.2"}
    assert (south[0], south[1]) == (seen[0], [])


def test_the_first_object_of_a_new_study_makes_its_priors_ready_and_an_old_one_nothing(site: Site) -> None:
    deposit(site.bank, N1, "1.7", "20250801", "CT HEAD")
    deposit(site.bank, PatientId("north", ""), "1.8", "20260301", "CT HEAD")
    site.arrive()
    old = site.work()
    deposit(site.bank, N1, "1.9", "20260301", "CT HEAD", InstitutionalDepartmentName="Radiology")
    site.arrive()
    prefetch.prefetch_job(site.bank, {"study": "1.99"})

    assert (old, sorted(site.work())) == ([], ["1.1", "1.2", "1.7"])


def test_what_the_patient_denies_is_neither_warmed_nor_pushed_also_when_it_waits(site: Site) -> None:
    site.rules("device = 'READ1'\nfrom_hour = 20\nuntil_hour = 6", warm="true")
    since = NOW - timedelta(days=1)
    permit = Provision("", Kind.CONSENT, permits=True, patient=S1, organization="north", starts_at=since)
    hear(site)
    site.work()
    before = site.warmed()
    made = consent.decide(site.bank, permit, replace(ADMIN, organization="south"))
    hear(site, filler="F2")
    by_day = site.work()
    consent.revoke(site.bank, made.id, replace(ADMIN, organization="south"))
    with_consent, site.now = site.warmed(), NOW.replace(hour=20)

    assert (before, with_consent, by_day) == ({"1.1", "1.2"}, {"1.1", "1.2", "1.4"}, [])
    assert sorted(site.work()) == ["1.1", "1.2"]
    assert site.bank.index.prefetches.one("READ1", Uid("1.4")) is None


@pytest.mark.parametrize("limit", ["studies_a_day = 1", "bytes_a_day = 1"])
def test_what_is_beyond_a_days_limit_goes_the_next_day(site: Site, limit: str) -> None:
    site.rules(f"device = 'READ1'\n{limit}")
    hear(site)
    first = site.work()
    same_day = site.work()
    site.now += timedelta(days=1)

    assert (len(first), same_day, len(site.work())) == (1, [], 1)


def test_what_is_refused_is_tried_again_and_what_nobody_wants_any_more_is_forgotten(site: Site) -> None:
    site.refuses = True
    hear(site)
    site.work()
    failed = [one.state for one in site.bank.index.prefetches.newest(9)]
    with pytest.raises(Unavailable, match="did not take 1 objects"):
        prefetch.push_job(site.send, site.bank, {"device": "READ1", "study": "1.1"})
    site.rules()
    prefetch.push_job(site.send, site.bank, {"device": "READ1", "study": "1.1"})
    prefetch.push_job(site.send, site.bank, {"device": "READ1", "study": "1.1"})

    assert (failed, site.sent) == ([Fate.FAILED] * 2, [])
    assert [one.study for one in site.bank.index.prefetches.newest(9)] == ["1.2"]


def test_priors_are_warmed_once_a_day_and_no_more_than_a_site_wants(site: Site) -> None:
    site.rules(warm="true", warm_a_day=1)
    hear(site)
    site.work()
    first = site.warmed()
    hear(site, filler="F2")
    site.work()
    series = site.bank.index.series_of(Selection(study=Uid("1.1")), ALL)
    site.now += timedelta(days=500)
    prefetch.sweep(site.bank)
    known, gone = prefetching(site.file), Uid("1.99")
    prefetch.warm(site.bank, known, gone)

    assert (first, site.warmed()) == ({"1.1"}, set())
    assert all(site.bank.index.metadata(one, ALL)[1] is not None for _, one, _ in series)
    assert timedelta(0) < foreseen.SOON
