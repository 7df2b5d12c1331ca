"""`verify` tells what is whole and what is not; `reindex` makes the index again from the objects alone."""

import io
import json
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import generate_uid

from bank import SOURCE, keep, open_test_bank
from imagebank import worker
from imagebank.actions import notes, quarantine, remove
from imagebank.bank import Bank
from imagebank.cli.console import operator
from imagebank.dicom.digest import digest_of
from imagebank.model.imaging import Outcome, Selection
from imagebank.model.note import Note
from imagebank.model.uid import Uid
from journeys.dump import differences, dump
from journeys.senders import as_files, c_store, stored, stow, uid_of
from make import a_file, a_series, read
from running import Running, Said, imagebank, running_bank
from samples import sample_data


def verify(data: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit status and the answer for machines."""
    said = imagebank("verify", "--json", *arguments, "--data", data)
    return said.status, json.loads(said.out)


def kinds(answer: dict[str, Any]) -> list[str]:
    return [one["finding"] for one in answer["findings"]]


def the_segment(data: Path) -> Path:
    """The segment file with the objects."""
    return max(data.rglob("*.seg"), key=lambda path: path.stat().st_size)


def write_orphan(bank: Bank, file: bytes, age: timedelta) -> None:
    """What a deposit leaves that dies between its bytes and its row."""
    digest = digest_of(file)
    note = Note(SOURCE, bank.now() - age, digest, digest)
    bank.blobs.sync([bank.blobs.write(io.BytesIO(file), len(file), notes.pack(note))])


def test_a_whole_bank_is_clean(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        keep(bank, *a_series(5))
    status, answer = verify(tmp_path / "bank")

    assert status == 0
    assert (answer["checked"], answer["is_clean"], answer["findings"]) == (5, True, [])
    assert "5 objects" in imagebank("verify", "--data", tmp_path / "bank").out


def test_an_interrupted_deposit_is_an_orphan_and_no_harm(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_file())
        write_orphan(bank, a_file(), timedelta(hours=2))
        write_orphan(bank, a_file(), timedelta(seconds=1))
    before = verify(tmp_path / "bank")
    swept = verify(tmp_path / "bank", "--sweep")
    after = verify(tmp_path / "bank")

    assert (before[0], kinds(before[1])) == (0, ["orphan", "orphan"])
    assert swept[0] == 0
    assert (after[0], kinds(after[1])) == (0, ["orphan"]), "a young one may be a deposit that is under way"
    assert after[1]["checked"] == 1


def test_an_object_whose_segment_is_gone_is_lost(tmp_path: Path) -> None:
    files = a_series(3)
    with open_test_bank(tmp_path) as bank:
        keep(bank, *files)
    the_segment(tmp_path / "bank").unlink()
    status, answer = verify(tmp_path / "bank")

    assert (status, kinds(answer)) == (1, ["lost"] * 3)
    assert all(any(uid_of(file) in one["object"] for one in answer["findings"]) for file in files)


@pytest.mark.parametrize("place", [0.2, 0.5, 0.9])
def test_an_object_with_one_wrong_byte_is_damaged(tmp_path: Path, place: float) -> None:
    file = a_file(rows=256, columns=256)
    with open_test_bank(tmp_path) as bank:
        keep(bank, file, a_file())
        (instance,) = bank.index.instances(Selection(instance=Uid(uid_of(file))), operator(bank).scope)
    segment = the_segment(tmp_path / "bank")
    content = bytearray(segment.read_bytes())
    content[instance.location.offset + int(instance.location.length * place)] ^= 0x40
    segment.write_bytes(content)
    status, answer = verify(tmp_path / "bank")

    assert status == 1
    assert len(answer["findings"]) == 1
    assert uid_of(file) in answer["findings"][0]["object"]


def test_an_object_that_the_disk_cannot_read_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    large = a_file(rows=3000, columns=3000)  # in a segment of its own
    with open_test_bank(tmp_path) as bank:
        keep(bank, large, *a_series(3))
    segment = the_segment(tmp_path / "bank")
    segment.unlink()
    segment.symlink_to(segment)
    status, answer = verify(tmp_path / "bank")

    assert (status, answer["checked"]) == (1, 4)
    assert kinds(answer) == ["damaged", "damaged"], "the object, and that something else may lie there"
    assert uid_of(large) in answer["findings"][0]["object"]
    assert "symbolic links" in answer["findings"][0]["object"]


def test_an_object_that_is_damaged_is_left_out_of_a_rebuilt_index_and_named(tmp_path: Path) -> None:
    bad, good = a_file(rows=256, columns=256), a_file()
    with open_test_bank(tmp_path) as bank:
        keep(bank, bad, good)
        (instance,) = bank.index.instances(Selection(instance=Uid(uid_of(bad))), operator(bank).scope)
    segment = the_segment(tmp_path / "bank")
    content = bytearray(segment.read_bytes())
    content[instance.location.offset + instance.location.length // 2] ^= 1
    segment.write_bytes(content)
    said = imagebank("reindex", "--json", "--data", tmp_path / "bank")
    with open_test_bank(tmp_path) as bank:
        left = bank.index.instances(Selection(), operator(bank).scope)

    assert (said.status, json.loads(said.out)) == (1, [{"objects": 1}])
    assert instance.location.segment in said.err
    assert [one.uid for one in left] == [uid_of(good)]


def test_a_lost_root_key_is_not_replaced(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_file())
    key = tmp_path / "bank" / "root.key"
    key.rename(tmp_path / "aside")
    said = imagebank("verify", "--data", tmp_path / "bank")

    assert said.status == 1
    assert "root.key" in said.err
    assert not key.exists()


def test_verify_beside_a_busy_server_finds_nothing_wrong(bank: Running) -> None:
    is_over = threading.Event()
    http = bank.http()

    def work() -> None:
        with http:
            while not is_over.is_set():
                files = a_series(4)
                stow(http, *files)
                http.delete(f"/dicom-web/studies/{read(files[0]).StudyInstanceUID}")

    sender = threading.Thread(target=work)
    sender.start()
    try:
        found = [bank.run("verify", "--json") for _ in range(3)]
    finally:
        is_over.set()
        sender.join(60)

    assert [said.status for said in found] == [0, 0, 0]
    assert not {"lost", "damaged"} & {kind for said in found for kind in kinds(json.loads(said.out))}


def reindexed(data: Path, environ: dict[str, str]) -> tuple[Any, Any, Said]:
    """The index before and after it was thrown away and made again."""
    url = f"sqlite:///{data / 'index.db'}"
    before = dump(url)
    for path in data.glob("index.db*"):
        path.unlink()
    said = imagebank("reindex", "--data", data, environ=environ)
    return before, dump(url), said


def conflicting(policy: str) -> list[tuple[bytes, bytes]]:
    """Pairs of files with one SOP Instance UID and other content."""
    pairs = []
    for _ in range(3):
        first = a_file(StudyDescription=f"first {policy}")
        same = {keyword: read(first)[keyword].value for keyword in ("StudyInstanceUID", "SeriesInstanceUID")}
        pairs.append((first, a_file(**same, SOPInstanceUID=uid_of(first), StudyDescription="second")))
    return pairs


@pytest.mark.parametrize("policy", ["refuse", "revise"])
def test_the_index_comes_out_of_the_objects_row_by_row(tmp_path: Path, policy: str) -> None:
    data = tmp_path / "bank"
    environ = {"IMAGEBANK_DUPLICATES": policy, "IMAGEBANK_ATTRIBUTES": "instance:KVP,study:InstitutionName"}
    imagebank("import", sample_data(), "--data", data, environ=environ)
    pairs = conflicting(policy)
    with open_test_bank(tmp_path, duplicates=policy, attributes=("instance:KVP", "study:InstitutionName")) as bank:
        keep(bank, *(file for pair in pairs for file in pair))
        in_one_series = [a_file(SeriesInstanceUID="1.2.3.4", PatientID=patient) for patient in ("first", "second")]
        keep(bank, *in_one_series)
        me = operator(bank)
        laid_aside = quarantine.listed(bank, me)
        # The first copy goes: the second is to stay where it is, in quarantine or nowhere.
        for first in (pairs[0][0], in_one_series[0]):
            remove.remove(bank, Selection(study=Uid(read(first).StudyInstanceUID)), me)
        for study in ("ct-head-prior", "us-multiframe"):
            file = next(path for path in sorted((sample_data() / study).rglob("*")) if path.is_file())
            remove.remove(bank, Selection(study=Uid(read(file.read_bytes()).StudyInstanceUID)), me)
        if policy == "refuse":
            quarantine.let_go(bank, laid_aside[0].id, me)
        do_jobs(bank)
    before, after, said = reindexed(data, environ)

    assert said.status == 0, said.err
    assert differences(before, after) == {}
    assert len(before["instance"]) > 200
    assert before["attribute"]
    assert before["quarantine"]
    assert before["instance_history"] or policy == "refuse"
    assert verify(data)[0] == 0


def do_jobs(bank: Bank) -> None:
    """Do whatever is due within a minute."""
    later = replace(bank, now=lambda: bank.now() + timedelta(minutes=1))
    while worker.step(later):
        pass


def test_a_study_forgets_what_a_deleted_instance_said_of_it(tmp_path: Path) -> None:
    study = {"StudyInstanceUID": generate_uid()}
    series = {"SeriesInstanceUID": generate_uid()}
    wrong = a_file(**study, **series, PatientID="W", PatientName="Wrong^One", InstitutionName="Wrong")
    right = [a_file(**study, **series, PatientID="R", PatientName="Right^One", KVP="120") for _ in range(2)]
    other = a_file(**study, PatientID="R", PatientName="Right^One", Modality="MR")
    given = {"attributes": ("instance:KVP", "study:InstitutionName")}
    with open_test_bank(tmp_path, **given) as bank:
        keep(bank, wrong)
        keep(bank, *right, other)
        remove.remove(bank, Selection(instance=Uid(uid_of(wrong))), operator(bank))
        do_jobs(bank)
        seen = bank.index.instances(Selection(study=Uid(study["StudyInstanceUID"])), operator(bank).scope)
    before, after, said = reindexed(tmp_path / "bank", {"IMAGEBANK_ATTRIBUTES": ",".join(given["attributes"])})

    assert {one.patient.identifier for one in seen} == {"R"}
    assert len(seen) == 3
    assert said.status == 0
    assert differences(before, after) == {}
    assert "wrong" not in repr(before).lower()


def test_a_rebuilt_index_is_equal_after_many_senders_at_once(tmp_path: Path) -> None:
    shared = {"StudyInstanceUID": generate_uid(), "PatientID": "MANY"}
    with running_bank(tmp_path) as running:
        token = running.token()

        def send(number: int) -> None:
            files = a_series(12, **shared, StudyDescription=f"by {number}", SeriesDescription=f"by {number}")
            if number % 2:
                c_store(running, *files)
            else:
                with running.http(token) as http:
                    for file in files:
                        stow(http, file)

        senders = [threading.Thread(target=send, args=(number,)) for number in range(6)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(120)
    before, after, said = reindexed(tmp_path / "bank", {})

    assert said.status == 0
    assert len(before["instance"]) == 72
    assert differences(before, after) == {}


def test_reindex_beside_a_server_that_was_not_stopped_loses_no_row(bank: Running) -> None:
    is_over = threading.Event()
    acknowledged: list[str] = []
    http = bank.http()

    def work() -> None:
        with http:
            while not is_over.is_set():
                file = a_file()
                if stow(http, file).status_code == 200:
                    acknowledged.append(uid_of(file))

    sender = threading.Thread(target=work)
    sender.start()
    said: list[Said] = []
    try:
        while sender.is_alive() and len(said) < 100 and (len(said) < 3 or len(acknowledged) < 5):
            said.append(bank.run("reindex"))
    finally:
        is_over.set()
        sender.join(60)
    with bank.http() as again:
        lost = [uid for uid in acknowledged if stored(again, uid) is None]

    assert {one.status for one in said} == {0}, said
    assert len(acknowledged) >= 5
    assert lost == []


def test_reindexing_a_bank_that_has_its_index_changes_nothing(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        keep(bank, *a_series(3))
        outcomes = [one.outcome for one in keep(bank, a_file(SOPInstanceUID=generate_uid()))]
    url = f"sqlite:///{tmp_path / 'bank' / 'index.db'}"
    before = dump(url)
    said = imagebank("reindex", "--json", "--data", tmp_path / "bank")

    assert outcomes == [Outcome.STORED]
    assert (said.status, json.loads(said.out)) == (0, [{"objects": 4}])
    assert differences(before, dump(url)) == {}


def test_tokens_and_devices_are_not_among_what_reindex_empties(tmp_path: Path) -> None:
    data = tmp_path / "bank"
    imagebank("token", "create", "--role", "admin", "--name", "stays", "--data", data)
    imagebank("device", "add", "--aet", "STAYS", "--host", "h", "--port", "104", "--data", data)
    imagebank("import", *as_files(tmp_path / "in", a_file()), "--data", data)
    imagebank("reindex", "--data", data)

    assert "stays" in imagebank("token", "list", "--data", data).out
    assert "STAYS" in imagebank("device", "list", "--data", data).out
