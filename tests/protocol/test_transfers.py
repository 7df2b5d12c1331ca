"""Studies sent for somebody: to another bank by STOW-RS, to a device by C-STORE, and to places that do not take them."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from pydicom import dcmread

from bank import SOURCE, a_token, bearer, free_port, keep, open_test_bank, serving
from imagebank.actions import destinations, devices, rights, transfer
from imagebank.app import transfer_work
from imagebank.bank import Bank
from imagebank.errors import NotFound, Unavailable
from imagebank.model.access import Device, Principal, Right, Role, Scope
from imagebank.model.event import Act
from imagebank.model.imaging import Selection
from imagebank.model.transfer import Destination, State
from imagebank.model.uid import Uid
from make import a_file
from protocol.dimse_peers import HOST, a_destination
from running import imagebank

STUDY = Uid("1.2.826.1")
ALL = Scope(organizations=None)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    """A CT of three slices, two of one size and one that is larger."""
    with open_test_bank(tmp_path / "ours", organization="north") as opened:
        for number in range(3):
            named = {
                "StudyInstanceUID": STUDY,
                "SOPInstanceUID": f"{STUDY}.{number}",
                "SeriesInstanceUID": f"{STUDY}.9",
            }
            file = a_file(PatientID="ADA", rows=8 + 8 * (number == 2), **named)
            keep(opened, file, source=replace(SOURCE, organization="north"))
        yield opened


def doctor(bank: Bank) -> Principal:
    return rights.principal(bank, "Dr Varga", Role.CLINICIAN, "north")


def send(bank: Bank, to: str) -> str:
    return transfer.ask(bank, [STUDY], to, doctor(bank), "10.0.0.7").id


def work(bank: Bank, name: str) -> None:
    transfer_work()[transfer.JOB](bank, {"transfer": name})


def sent_to(bank: Bank) -> list[str]:
    return [one.detail for one in bank.index.events(ALL, 100) if one.act is Act.SENT]


def test_another_bank_takes_them_and_both_ledgers_say_so(bank: Bank, tmp_path: Path) -> None:
    with open_test_bank(tmp_path / "theirs", organization="south") as other, serving(other) as url:
        token = a_token(other, Role.SYSTEM, organization="south", name="from north")
        destinations.offer(bank, Destination("South", url=f"{url}/dicom-web"), token)
        name = send(bank, "South")

        work(bank, name)

        found, objects = transfer.kept(bank, name, doctor(bank))
        there = other.index.instances(Selection(study=STUDY), ALL)
        assert (found.state, found.sent) == (State.DONE, 3)
        assert {one.instance: one.digest for one in objects} == {one.uid: str(one.content_digest) for one in there}
        assert sent_to(bank) == ["STOW-RS to South"]
        assert {one.principal for one in other.index.events(ALL, 100) if one.act is Act.DEPOSITED} == {"from north"}


def test_what_another_archive_does_not_take_is_said(bank: Bank, tmp_path: Path) -> None:
    largest = max(one.location.size for one in bank.index.instances(Selection(study=STUDY), ALL))
    with (
        open_test_bank(tmp_path / "theirs", organization="south", max_instance_bytes=largest - 1) as other,
        serving(other) as url,
    ):
        token = a_token(other, Role.SYSTEM, organization="south")
        destinations.offer(bank, Destination("Small", url=f"{url}/dicom-web"), token)
        destinations.offer(bank, Destination("Locked", url=f"{url}/dicom-web"), "a wrong token")
        destinations.offer(bank, Destination("Away", url=f"http://{HOST}:{free_port()}/dicom-web"))

        for place, words in (("Small", "not taken"), ("Locked", "status 401"), ("Away", "does not answer")):
            name = send(bank, place)
            with pytest.raises(Unavailable, match=words):
                work(bank, name)
            found, _ = transfer.kept(bank, name, doctor(bank))
            assert (found.state, words in found.reason) == (State.WAITING, True)


def test_a_device_takes_them_and_a_refused_one_is_sent_again(bank: Bank) -> None:
    with a_destination(statuses=[0xA700]) as received:
        device = Device("DEST", HOST, received.port, tls=False, rights=frozenset({Right.STORE}), organization="south")
        devices.add(bank, device)
        destinations.offer(bank, Destination("Quay Street", device="DEST"))
        name = send(bank, "Quay Street")

        with pytest.raises(Unavailable, match="1 images were not taken: status 0xa700"):
            work(bank, name)
        work(bank, name)

        assert transfer.kept(bank, name, doctor(bank))[0].state is State.DONE
        assert len(received.objects) == 4
        assert len({uid for uid, _, _ in received.objects}) == 3
        assert dcmread(BytesIO(received.objects[-1][2]), force=True).PatientID == "ADA"
        assert sent_to(bank)[0].startswith("C-MOVE to DEST at")
        devices.remove(bank, "DEST")
        again = send(bank, "Quay Street")
        work(bank, again)
        assert transfer.kept(bank, again, doctor(bank))[0].state is State.STOPPED


def test_programs_send_look_and_stop_and_operators_offer(bank: Bank, tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "ours" / "bank"))
    (tmp_path / "token").write_text("s3cret")
    offered = imagebank(
        "destination",
        "offer",
        "South",
        "--url",
        "https://south.example/dicom-web",
        "--token-file",
        str(tmp_path / "token"),
        *data,
    )
    assert offered.status == 0
    assert "s3cret" not in imagebank("destination", "list", "--json", *data).out
    with (
        serving(bank) as url,
        httpx.Client(base_url=url, headers=bearer(a_token(bank, Role.CLINICIAN, organization="north"))) as http,
    ):
        assert http.get("/api/v1/destinations").json() == {"destinations": [{"name": "South", "kind": "archive"}]}
        made = http.post("/api/v1/transfers", json={"studies": [STUDY], "destination": "South"})
        assert (made.status_code, made.json()["total"]) == (202, 3)
        where = made.headers["location"]
        assert [one["sent_at"] for one in http.get(where).json()["objects"]] == [None] * 3
        assert http.delete(where).status_code == 204
        assert http.delete(where).status_code == 404
        assert [one["state"] for one in http.get("/api/v1/transfers").json()["transfers"]] == ["stopped"]
        assert http.post("/api/v1/transfers", json={"studies": ["1.9"], "destination": "South"}).status_code == 404
    assert imagebank("destination", "withdraw", "South", *data).status == 0
    assert imagebank("destination", "withdraw", "South", *data).status == 1
    with pytest.raises(NotFound):
        transfer.ask(bank, [STUDY], "South", doctor(bank))
