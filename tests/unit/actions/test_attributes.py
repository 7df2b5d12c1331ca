"""Attributes that are made searchable while the bank runs: matched at once, filled in the background, forgotten, rebuilt."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom import Dataset

from bank import keep, open_test_bank
from imagebank import worker
from imagebank.actions import attributes, reindex, remove, search
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.attribute import Level
from imagebank.model.declared import State
from imagebank.model.event import Act
from imagebank.model.imaging import Selection
from imagebank.model.note import Wanted
from imagebank.model.query import Query, condition
from imagebank.model.uid import Uid
from imagebank.settings import SettingsError
from make import a_dataset, a_file, as_file

ALL = Scope(organizations=None)
ADMIN = Principal("root", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)
CLINICIAN = replace(ADMIN, role=Role.CLINICIAN, rights=RIGHTS[Role.CLINICIAN])
AGENT = Wanted("series:ContrastBolusAgent")
DOSE = Wanted("series:0019xx10@ACME 1.1", "DoseNote")
CODE = Wanted("study:ProcedureCodeSequence.CodeMeaning")
NESTED = Wanted("instance:AcquisitionContextSequence.0019xx11@ACME 1.1", "InnerNumber", "IS")
FILLING = {attributes.JOB: attributes.work}


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def a_rich_file(study: str, **given: str) -> bytes:
    """An object with a contrast agent, a private text, a code's meaning, and a private number within a sequence."""
    ds = a_dataset(StudyInstanceUID=study, ContrastBolusAgent=given.get("agent", "Gadobutrol"))
    ds.private_block(0x0019, given.get("first", "OTHER"), create=True).add_new(0x10, "LO", given.get("other", "wrong"))
    ds.private_block(0x0019, "ACME 1.1", create=True).add_new(0x10, "LO", given.get("dose", "half"))
    code, inner = Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99X", "Angiography"
    ds.ProcedureCodeSequence = [code]
    inner.private_block(0x0019, "ACME 1.1", create=True).add_new(0x11, "IS", "42")
    ds.AcquisitionContextSequence = [inner]
    return as_file(ds)


def find(bank: Bank, name: str, value: str, level: Level = Level.STUDY) -> list[str]:
    """Study UIDs of what has this value, once each."""
    asked = condition(bank.catalogue.by_keyword[name], value)
    assert asked is not None
    return sorted({one.attributes["0020000D"]["Value"][0] for one in search.find(bank, Query(level, (asked,)), ALL)})


def work_off(bank: Bank, work: Mapping[str, worker.Work] = worker.WORK) -> None:
    later = replace(bank, now=lambda: bank.now() + timedelta(minutes=1))
    while worker.step(later, work):
        pass


def state(bank: Bank) -> dict[str, State]:
    return {one.written: one.state for one in attributes.listed(bank, ADMIN)}


def test_what_came_before_is_found_once_it_was_read_and_what_comes_after_at_once(bank: Bank) -> None:
    keep(bank, a_rich_file("1.1"), a_rich_file("1.2", first="ACME 1.1", dose="full", agent="Iohexol"))
    made = [attributes.add(bank, ADMIN, one) for one in (AGENT, DOSE, CODE, NESTED, AGENT)]
    before = find(bank, "ContrastBolusAgent", "gadobutrol")
    keep(bank, a_rich_file("1.3"))
    meanwhile = find(bank, "DoseNote", "half")
    partial = bank.catalogue.by_keyword["DoseNote"].is_partial
    work_off(bank)

    assert made == [True, True, True, True, False]
    assert (before, meanwhile, partial) == ([], ["1.3"], True)
    assert find(bank, "ContrastBolusAgent", "Gado*") == ["1.1", "1.3"]
    assert find(bank, "DoseNote", "half") == ["1.1", "1.3"]
    assert find(bank, "DoseNote", "full") == ["1.2"]
    assert find(bank, "DoseNote", "wrong") == []
    assert find(bank, "ProcedureCodeSequence.CodeMeaning", "angiography") == ["1.1", "1.2", "1.3"]
    assert find(bank, "InnerNumber", "42", Level.INSTANCE) == ["1.1", "1.2", "1.3"]
    assert set(state(bank).values()) == {State.WHOLE}
    assert not bank.catalogue.by_keyword["DoseNote"].is_partial


def test_rows_come_out_as_if_it_had_been_searchable_from_the_beginning(tmp_path: Path) -> None:
    wanted = (AGENT, DOSE, CODE, NESTED, Wanted("patient:PatientComments"), Wanted("instance:KVP"))
    shared = {"StudyInstanceUID": "1.1", "SeriesInstanceUID": "1.1.1"}
    files = [
        a_file(**shared, SOPInstanceUID="1.1.1.1", ContrastBolusAgent="", KVP="80", PatientComments="first"),
        a_file(**shared, SOPInstanceUID="1.1.1.2", ContrastBolusAgent="Iohexol", KVP="100", PatientID="other"),
        a_file(**shared, SOPInstanceUID="1.1.1.3", ContrastBolusAgent="Gadobutrol", KVP="120"),
        a_rich_file("1.2"),
    ]
    told = []
    for name, is_before in (("before", True), ("after", False)):
        with open_test_bank(tmp_path / name) as bank:
            for one in wanted if is_before else ():
                attributes.add(bank, ADMIN, one)
            for file in files:
                keep(bank, file)
            for one in () if is_before else wanted:
                attributes.add(bank, ADMIN, one)
            work_off(bank)
            query = Query(Level.INSTANCE, ())
            rows = [one.attributes for one in search.find(bank, query, ALL)]
            told.append(sorted(rows, key=str))

    assert told[0] == told[1]


def test_a_back_fill_goes_on_where_it_was_and_takes_in_one_that_comes_later(bank: Bank) -> None:
    keep(bank, *(a_file(StudyInstanceUID=f"1.{n}", ContrastBolusAgent="Iohexol", KVP="80") for n in range(120)))
    attributes.add(bank, ADMIN, AGENT)
    ticks = iter([0.0, 0.0, 9.0, 9.0])
    attributes.work(bank, {}, lambda: next(ticks))
    (half,) = attributes.listed(bank, ADMIN)
    attributes.add(bank, ADMIN, Wanted("series:KVP"))
    work_off(bank, FILLING)

    assert (half.done, half.total, half.state) == (50, 120, State.FILLING)
    assert half.remaining(half.added_at + timedelta(seconds=50)) == timedelta(seconds=70)
    assert [(one.done, one.state) for one in attributes.listed(bank, ADMIN)] == [(120, State.WHOLE)] * 2
    assert len(find(bank, "ContrastBolusAgent", "iohexol")) == len(find(bank, "KVP", "80")) == 120
    assert attributes.listed(bank, ADMIN)[0].remaining(bank.now()) is None


def test_a_stretch_of_which_everything_was_deleted_is_passed_over(bank: Bank) -> None:
    keep(bank, *(a_file(StudyInstanceUID=f"1.{number}", ContrastBolusAgent="Iohexol") for number in range(60)))
    attributes.add(bank, ADMIN, AGENT)
    ticks = iter([0.0, 0.0, 9.0, 9.0])
    attributes.work(bank, {}, lambda: next(ticks))
    for number in range(50):
        remove.remove(bank, Selection(study=Uid(f"1.{number}")), ADMIN)
    attributes.add(bank, ADMIN, Wanted("series:KVP"))
    work_off(bank, FILLING)

    assert [one.state for one in attributes.listed(bank, ADMIN)] == [State.WHOLE] * 2
    assert len(find(bank, "ContrastBolusAgent", "iohexol")) == 10


def test_a_job_that_was_given_up_is_taken_up_again(bank: Bank) -> None:
    keep(bank, a_file(ContrastBolusAgent="Iohexol"))
    attributes.go_on(bank)
    attributes.add(bank, ADMIN, AGENT)
    while job := bank.jobs.claim((attributes.JOB,), bank.now() + timedelta(hours=1), 60):
        bank.jobs.finish(job)
    work_off(bank)
    left = state(bank)
    attributes.go_on(bank)
    work_off(bank)

    assert [*left.values(), *state(bank).values()] == [State.FILLING, State.WHOLE]


def test_one_that_is_removed_is_forgotten_and_can_be_added_again(bank: Bank) -> None:
    keep(bank, a_rich_file("1.1"))
    for one in (AGENT, DOSE, NESTED, CODE):
        attributes.add(bank, ADMIN, one)
    work_off(bank)
    for named in ("DoseNote", AGENT.written, NESTED.written, CODE.written):
        attributes.remove(bank, ADMIN, named)
    at_once = "DoseNote" in bank.catalogue.by_keyword
    with pytest.raises(Conflict, match="former"):
        attributes.add(bank, ADMIN, DOSE)
    with pytest.raises(NotFound):
        attributes.remove(bank, ADMIN, "DoseNote")
    work_off(bank)
    data = b"".join(path.read_bytes() for path in bank.settings.data.glob("index.db*"))
    gone = [one.attributes for one in search.find(bank, Query(Level.INSTANCE, ()), ALL)]
    attributes.add(bank, ADMIN, DOSE)
    work_off(bank)

    assert not at_once
    assert data
    assert "00180010" not in gone[0]
    assert gone[0]["00081032"]["Value"][0]["00080100"] == {"vr": "SH", "Value": ["1"]}, "what others need stays"
    assert find(bank, "DoseNote", "half") == ["1.1"]


def test_one_of_several_in_a_sequence_goes_alone(bank: Bank) -> None:
    keep(bank, a_rich_file("1.1"))
    both = [Wanted("series:ViewCodeSequence.CodeValue"), Wanted("series:ViewCodeSequence.CodeMeaning")]
    for one in both:
        attributes.add(bank, ADMIN, one)
    attributes.remove(bank, ADMIN, both[0].written)
    work_off(bank)

    assert list(state(bank)) == [both[1].written]


def test_a_header_that_was_read_by_a_former_catalogue_is_read_again(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = bank.catalogue
    attributes.add(bank, ADMIN, AGENT)
    with monkeypatch.context() as patched:
        # As another process has it for a second.
        patched.setattr(type(bank), "catalogue", property(lambda _: old))
        keep(bank, a_file(StudyInstanceUID="1.1", ContrastBolusAgent="Iohexol"))
    before = find(bank, "ContrastBolusAgent", "iohexol")
    work_off(bank)

    assert (before, find(bank, "ContrastBolusAgent", "iohexol")) == ([], ["1.1"])


def test_objects_that_are_gone_are_passed_over(bank: Bank) -> None:
    keep(bank, a_file(ContrastBolusAgent="Iohexol"))
    attributes.add(bank, ADMIN, AGENT)
    bank.blobs.destroy([one.location for one in bank.index.instances(Selection(), ALL)])
    work_off(bank)
    attributes.describe_again(bank, {"instances": ["1.2.3.4"]})

    assert state(bank) == {AGENT.written: State.WHOLE}


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (Wanted("ContrastBolusAgent"), Invalid),
        (Wanted("series:NoSuchThing"), Invalid),
        (Wanted("series:0019xx10"), Invalid),
        (Wanted("series:0018xx10@ACME"), Invalid),
        (Wanted("series:PixelData"), Invalid),
        (Wanted("series:ContrastBolusAgent", "two words"), Invalid),
        (Wanted("series:ContrastBolusAgent", vr="DA"), Invalid),
        (Wanted("series:0019xx10@ACME", vr="OB"), Invalid),
        (Wanted("study:PatientName"), Conflict),
        (Wanted("series:ContrastBolusAgent", "PatientName"), Conflict),
        (Wanted("study:KVP"), Conflict),
    ],
)
def test_what_is_no_attribute_or_is_there_in_another_way_is_refused(
    bank: Bank, wanted: Wanted, error: type[Exception]
) -> None:
    attributes.add(bank, ADMIN, Wanted("series:KVP"))
    with pytest.raises(error):
        attributes.add(bank, ADMIN, wanted)


def test_who_may_not_administer_may_neither_change_nor_see_them(bank: Bank) -> None:
    for act in (
        lambda: attributes.add(bank, CLINICIAN, AGENT),
        lambda: attributes.remove(bank, CLINICIAN, AGENT.written),
        lambda: attributes.listed(bank, CLINICIAN),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_changes_are_in_the_ledger(bank: Bank) -> None:
    attributes.add(bank, ADMIN, AGENT, "10.0.0.1")
    attributes.remove(bank, ADMIN, AGENT.written)
    details = [one.detail for one in bank.index.events(ALL) if one.act is Act.CHANGED]

    assert details == [
        "attribute series:ContrastBolusAgent made searchable no more",
        "attribute series:ContrastBolusAgent made searchable",
    ]


def test_a_rebuild_brings_them_back_and_not_those_that_were_removed(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_rich_file("1.1"))
        for one in (AGENT, DOSE, NESTED):
            attributes.add(bank, ADMIN, one)
        attributes.remove(bank, ADMIN, AGENT.written)
        work_off(bank)
    for path in (tmp_path / "bank").glob("index.db*"):
        path.unlink()
    with open_test_bank(tmp_path) as bank:
        reindex.reindex(bank)

        assert state(bank) == {DOSE.written: State.WHOLE, NESTED.written: State.WHOLE}
        assert find(bank, "DoseNote", "half") == find(bank, "InnerNumber", "42", Level.INSTANCE) == ["1.1"]


def test_what_the_settings_name_is_declared_at_the_start_and_read_for(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_rich_file("1.1"))
    with open_test_bank(tmp_path, attributes=(AGENT.written,)) as bank:
        with pytest.raises(Conflict):
            attributes.remove(bank, ADMIN, AGENT.written)
        work_off(bank)
        first = find(bank, "ContrastBolusAgent", "gadobutrol")
    with open_test_bank(tmp_path, attributes=(AGENT.written, "study:InstitutionName")) as bank:
        again = [one.added_by for one in attributes.listed(bank, ADMIN)]

    assert (first, again) == (["1.1"], ["settings"])
    with pytest.raises(SettingsError), open_test_bank(tmp_path, attributes=("study:ContrastBolusAgent",)):
        pass
