"""Storage commitment with pynetdicom as the device that asks."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid
from pynetdicom import evt
from pynetdicom.pdu import P_DATA_TF

from bank import keep
from imagebank.dicom.keys import text_element
from imagebank.dimse import command as commands
from imagebank.dimse.command import Kind
from imagebank.dimse.commitment import JOB, deliver_commitment
from imagebank.dimse.contexts import IMPLICIT_LE, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from imagebank.dimse.dataset import encode
from imagebank.errors import NotFound, Unavailable
from imagebank.model.access import Right
from make import a_file, read
from protocol.dimse_peers import Site, a_destination, a_line, a_site, associate, pdv, read_pdu, register

CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path) as found:
        yield found


def a_kept_uid(site: Site) -> str:
    file = a_file()
    keep(site.bank, file)
    return str(read(file).SOPInstanceUID)


def asked(transaction: str, *uids: str, sop_class: str = CT) -> Dataset:
    dataset = Dataset()
    dataset.TransactionUID = transaction
    dataset.ReferencedSOPSequence = []
    for uid in uids:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
        dataset.ReferencedSOPSequence.append(item)
    return dataset


def request(
    site: Site,
    information: Dataset,
    *,
    aet: str = "TESTER",
    instance: str = STORAGE_COMMITMENT_INSTANCE,
) -> tuple[Dataset, list[tuple[int, Dataset]]]:
    """Ask on an association, and wait on it for the result."""
    reports: list[tuple[int, Dataset]] = []
    came = threading.Event()

    def report(event: Any) -> tuple[int, None]:
        reports.append((int(event.request.EventTypeID), event.event_information))
        return 0, None

    def sent(event: Any) -> None:
        # Released before its answer has left, the association would not know what to do with that.
        if reports and isinstance(event.pdu, P_DATA_TF):
            came.set()

    handlers: Any = [(evt.EVT_N_EVENT_REPORT, report), (evt.EVT_PDU_SENT, sent)]
    association = associate(site, STORAGE_COMMITMENT, aet=aet, evt_handlers=handlers)
    status, _ = association.send_n_action(information, 1, STORAGE_COMMITMENT, instance)
    if status.Status == 0:
        assert came.wait(20)
    association.release()
    return status, reports


def waiting_job(site: Site) -> Any:
    for _ in range(200):
        job = site.bank.jobs.claim([JOB], site.bank.now(), 60)
        if job is not None:
            return job
        threading.Event().wait(0.05)
    raise AssertionError("no commitment result waits to be delivered")


def test_what_is_kept_is_committed_on_the_same_association(site: Site) -> None:
    uid, transaction = a_kept_uid(site), generate_uid()

    status, reports = request(site, asked(transaction, uid))
    assert status.Status == 0x0000
    ((event, information),) = reports
    assert event == 1
    assert information.TransactionUID == transaction
    assert [item.ReferencedSOPInstanceUID for item in information.ReferencedSOPSequence] == [uid]
    assert "FailedSOPSequence" not in information


def test_what_is_not_kept_is_reported_with_the_reason(site: Site) -> None:
    uid, unknown = a_kept_uid(site), generate_uid()

    _, reports = request(site, asked(generate_uid(), uid, unknown))
    ((event, information),) = reports
    assert event == 2
    assert [item.ReferencedSOPInstanceUID for item in information.ReferencedSOPSequence] == [uid]
    (failed,) = information.FailedSOPSequence
    assert (failed.ReferencedSOPInstanceUID, failed.FailureReason) == (unknown, 0x0112)


def test_another_class_than_the_one_kept_is_a_conflict(site: Site) -> None:
    _, reports = request(site, asked(generate_uid(), a_kept_uid(site), sop_class="1.2.840.10008.5.1.4.1.1.4"))

    assert reports[0][1].FailedSOPSequence[0].FailureReason == 0x0119


def test_a_device_that_has_gone_gets_its_result_on_an_association_of_ours(site: Site) -> None:
    uid = a_kept_uid(site)
    with a_destination() as there:
        register(site, "DEST", there.port)
        ask_and_go(site, "DEST", uid)
        deliver_commitment(site.bank, waiting_job(site).payload)

    ((event, information),) = there.reports
    assert event == 1
    assert information.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == uid


def ask_and_go(site: Site, aet: str, uid: str) -> None:
    """Ask for commitment over a bare line, and close it before any result could be answered."""
    reference = {"00081150": text_element("UI", CT), "00081155": text_element("UI", uid)}
    information = {"00081195": text_element("UI", generate_uid()), "00081199": {"vr": "SQ", "Value": [reference]}}
    action = commands.encode(
        {
            "RequestedSOPClassUID": STORAGE_COMMITMENT,
            "CommandField": int(Kind.N_ACTION),
            "MessageID": 1,
            "CommandDataSetType": commands.HAS_DATA_SET,
            "RequestedSOPInstanceUID": STORAGE_COMMITMENT_INSTANCE,
            "ActionTypeID": 1,
        }
    )
    with a_line(site, (STORAGE_COMMITMENT, (IMPLICIT_LE,)), aet=aet) as line:
        line.sendall(pdv(3, action) + pdv(2, encode(information, IMPLICIT_LE)))
        _, body = read_pdu(line)
    assert commands.number(commands.decode(body[6:]), "Status") == 0x0000


def test_a_result_waits_for_a_device_that_does_not_answer(site: Site) -> None:
    register(site, "DEST", 9)

    with pytest.raises(Unavailable):
        deliver_commitment(site.bank, a_job("DEST"))


def a_job(aet: str) -> dict[str, Any]:
    return {"aet": aet, "organization": "local", "transaction": generate_uid(), "references": [[CT, "1.2.3"]]}


def test_a_result_for_nobody_that_is_registered_cannot_be_delivered(site: Site) -> None:
    with pytest.raises(NotFound):
        deliver_commitment(site.bank, a_job("GONE"))


def test_a_result_that_was_delivered_is_not_delivered_again(site: Site) -> None:
    request(site, asked(generate_uid(), a_kept_uid(site)))

    wait_for_no_job(site)


def wait_for_no_job(site: Site) -> None:
    deadline = time.monotonic() + 10
    with closing(sqlite3.connect(site.bank.settings.data / "index.db")) as database:
        # A moment passes between the device's answer and the end of the job.
        while database.execute("SELECT count(*) FROM job WHERE kind = ?", [JOB]).fetchone() != (0,):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_result_that_cannot_be_made_now_is_made_later(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = a_kept_uid(site)
    with a_destination() as there, monkeypatch.context() as failing:
        register(site, "DEST", there.port)
        failing.setattr(type(site.bank.index), "instances", away)
        ask_and_go(site, "DEST", uid)
        job = waiting_job(site)
        failing.undo()
        deliver_commitment(site.bank, job.payload)

    ((event, _),) = there.reports
    assert event == 1


def away(*_: Any) -> None:
    raise Unavailable("the database did not answer")


def test_a_request_that_cannot_be_kept_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    uid = a_kept_uid(site)
    monkeypatch.setattr(type(site.bank.index), "begin", away)

    assert request(site, asked(generate_uid(), uid))[0].Status == 0x0213


def test_a_request_without_references_is_refused(site: Site) -> None:
    assert request(site, asked(generate_uid()))[0].Status == 0x0115


def test_a_request_to_another_instance_is_refused(site: Site) -> None:
    information = asked(generate_uid(), a_kept_uid(site))

    assert request(site, information, instance="1.2.3")[0].Status == 0x0112


def test_only_who_may_store_may_ask(site: Site) -> None:
    register(site, "READER", rights=frozenset({Right.FIND}))

    assert request(site, asked(generate_uid(), "1.2.3"), aet="READER")[0].Status == 0x0124
