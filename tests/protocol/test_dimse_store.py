"""C-ECHO and C-STORE with dcmtk and pynetdicom as senders."""

import socket
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pynetdicom import build_context
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode

from imagebank.actions import retrieve
from imagebank.dicom.sop_class import OF_NO_STUDY, RETIRED, STORAGE
from imagebank.dimse import command as commands
from imagebank.dimse.contexts import STUDY_FIND
from imagebank.dimse.negotiation import MAX_CONTEXTS, Request, offered, read_acceptance, request_pdu
from imagebank.dimse.server import start
from imagebank.errors import OutOfSpace
from imagebank.model.access import Right, Scope
from imagebank.model.imaging import Instance, Location, Selection
from imagebank.model.uid import Uid
from make import a_dataset, a_file, as_file, read
from protocol.dimse_peers import HOST, Site, a_line, a_site, associate, dcmtk, pdv, read_pdu, register
from samples import sample_data

CT = "1.2.840.10008.5.1.4.1.1.2"
EVERYTHING = Scope.of("local")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("store")) as found:
        yield found


def held(site: Site, uid: str) -> Instance:
    return retrieve.select(site.bank, Selection(instance=Uid(uid)), EVERYTHING)[0]


def as_path(folder: Path, **attributes: Any) -> Path:
    path = folder / "image.dcm"
    path.write_bytes(a_file(**attributes))
    return path


def test_the_bank_answers_c_echo(site: Site) -> None:
    assert dcmtk("echoscu", site).returncode == 0


def test_an_association_that_calls_us_by_another_title_is_rejected(site: Site) -> None:
    answer = subprocess.run(
        ["echoscu", "-aec", "OTHER", HOST, str(site.port)], capture_output=True, text=True, timeout=30, check=False
    )

    assert answer.returncode != 0
    assert "Called AE Title Not Recognized" in answer.stderr


def test_what_storescu_sends_is_kept_byte_by_byte(site: Site, tmp_path: Path) -> None:
    path = as_path(tmp_path)
    sent = dcmread(path)

    assert dcmtk("storescu", site, path).returncode == 0
    instance = held(site, sent.SOPInstanceUID)
    kept = retrieve.file(site.bank, instance)
    assert kept[instance.dataset_offset :] == path.read_bytes()[-len(kept) + instance.dataset_offset :]
    assert kept[128:132] == b"DICM"


def test_dcmsend_deposits_a_folder_on_one_association(site: Site) -> None:
    folder = sample_data() / "ct-head-current"

    assert dcmtk("dcmsend", site, "+sd", "+r", folder).returncode == 0
    files = [path for path in folder.rglob("*") if path.is_file()]
    study = Uid(dcmread(files[0], stop_before_pixels=True).StudyInstanceUID)
    assert len(retrieve.select(site.bank, Selection(study=study), EVERYTHING)) == len(files)


def test_an_equal_object_sent_again_is_a_success(site: Site, tmp_path: Path) -> None:
    path = as_path(tmp_path)

    assert dcmtk("storescu", site, path).returncode == 0
    assert "Success" in dcmtk("storescu", site, path).stderr + dcmtk("storescu", site, path).stdout


def test_other_content_under_a_known_uid_is_answered_0x0111_and_kept_aside(site: Site) -> None:
    first = a_dataset()
    second = a_dataset(SOPInstanceUID=first.SOPInstanceUID, StudyInstanceUID=first.StudyInstanceUID, rows=16)
    association = associate(site, CT)

    statuses = [association.send_c_store(one).Status for one in (_with_meta(first), _with_meta(second))]
    association.release()

    assert statuses == [0x0000, 0x0111]
    assert any(row.uid == first.SOPInstanceUID for row in site.bank.index.quarantined(EVERYTHING))


def test_an_object_without_a_study_uid_is_refused_with_a_comment(site: Site) -> None:
    association = associate(site, CT)

    answer = association.send_c_store(_with_meta(a_dataset(StudyInstanceUID=None)))
    association.release()

    assert answer.Status >> 12 in (0xA, 0xC)
    assert 0 < len(answer.ErrorComment) <= 64


def test_an_object_whose_class_differs_from_the_command_is_refused_as_a_mismatch(site: Site) -> None:
    dataset = _with_meta(a_dataset(Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4"))
    association = associate(site, CT)

    answer = _store_as(association, dataset, CT)
    association.release()

    assert answer.Status == 0xA900


def test_a_device_without_the_right_to_store_is_told_so(site: Site) -> None:
    register(site, "READER", rights=frozenset({Right.FIND}))
    association = associate(site, CT, aet="READER")

    answer = association.send_c_store(_with_meta(a_dataset()))
    association.release()

    assert answer.Status == 0x0124


def test_an_object_of_a_private_sop_class_is_kept_by_setting(site: Site, tmp_path: Path) -> None:
    private = "1.2.826.0.1.3680043.9.9999.1"
    dataset = _with_meta(a_dataset(SOPClassUID=private))
    association = associate(site, private)

    answer = association.send_c_store(dataset)
    association.release()

    assert answer.Status == 0x0000
    with a_site(tmp_path, private_sop_classes=False) as strict:
        other = associate(strict, private, "1.2.840.10008.1.1")
        assert [str(cx.abstract_syntax) for cx in other.accepted_contexts] == ["1.2.840.10008.1.1"]
        other.release()


def test_an_object_of_another_class_than_its_context_is_refused(site: Site, tmp_path: Path) -> None:
    other = _with_meta(a_dataset(SOPClassUID="1.2.3.4.5"))
    with a_site(tmp_path, private_sop_classes=False) as strict:
        for one in (site, strict):
            association = associate(one, CT)
            answer = _store_as(association, other, "1.2.3.4.5")
            association.release()

            assert answer.Status == 0x0122
            assert retrieve_count(one, other.SOPInstanceUID) == 0


def retrieve_count(site: Site, uid: str) -> int:
    return len(site.bank.index.instances(Selection(instance=Uid(uid)), EVERYTHING))


def test_one_object_of_every_storage_class_is_kept(site: Site) -> None:
    classes, uids = sorted(STORAGE | RETIRED), []
    for start_at in range(0, len(classes), MAX_CONTEXTS):
        some = classes[start_at : start_at + MAX_CONTEXTS]
        sent = [a_dataset(SOPClassUID=uid, PixelData=None, StudyInstanceUID="1.2.9", PatientID="ALL") for uid in some]
        with a_line(site, *((uid, ("1.2.840.10008.1.2.1",)) for uid in some)) as line:
            statuses = {str(one.SOPClassUID): _status(line, 2 * place + 1, one) for place, one in enumerate(sent)}
        uids += [one.SOPInstanceUID for one in sent]

        assert statuses == dict.fromkeys(some, 0x0000)
    kept = retrieve.select(site.bank, Selection(study=Uid("1.2.9")), EVERYTHING)
    assert {one.uid for one in kept} == set(uids)
    assert len(uids) > 180


def _status(line: socket.socket, context: int, dataset: Any) -> int:
    """C-STORE without the pauses that pynetdicom makes."""
    command = commands.encode(
        {
            "AffectedSOPClassUID": dataset.SOPClassUID,
            "CommandField": 1,
            "MessageID": 1,
            "Priority": 0,
            "CommandDataSetType": 1,
            "AffectedSOPInstanceUID": dataset.SOPInstanceUID,
        }
    )
    content = encode(dataset, is_implicit_vr=False, is_little_endian=True)
    assert content is not None
    line.sendall(pdv(3, command, context) + pdv(2, content, context))
    return commands.number(commands.decode(read_pdu(line)[1][6:]), "Status")


def test_no_class_without_a_study_is_agreed_to(site: Site) -> None:
    association = associate(site, "1.2.840.10008.1.1", *sorted(OF_NO_STUDY))
    agreed = [str(context.abstract_syntax) for context in association.accepted_contexts]
    association.release()

    assert agreed == ["1.2.840.10008.1.1"]


@pytest.mark.parametrize("roles", [(False, False), (False, True)])
def test_an_association_that_refuses_both_roles_is_answered(site: Site, roles: tuple[bool, bool]) -> None:
    asked = Request(
        "IMAGEBANK", "TESTER", offered([(STUDY_FIND, ("1.2.840.10008.1.2.1",))]), 16384, {STUDY_FIND: roles}
    )
    with socket.create_connection((HOST, site.port), timeout=20) as line:
        line.sendall(request_pdu(asked))
        kind, body = read_pdu(line)
        agreed = read_acceptance(struct.pack(">BxI", kind, len(body)) + body, asked)

    assert kind == 2
    assert (agreed.contexts[1].requestor_is_scu, agreed.contexts[1].requestor_is_scp) == (False, False)


def test_of_several_transfer_syntaxes_in_one_context_a_lossless_compressed_one_is_taken(site: Site) -> None:
    association = associate(site, build_context(CT, ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", J2K]))

    chosen = association.accepted_contexts[0].transfer_syntax
    association.release()

    assert chosen == [J2K]


J2K = "1.2.840.10008.1.2.4.90"


def test_a_full_disk_is_answered_0xa700_and_what_was_kept_is_still_there(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = a_dataset(), a_dataset()
    association = associate(site, CT)
    assert association.send_c_store(_with_meta(before)).Status == 0

    def full(*_: Any) -> Location:
        raise OutOfSpace("the disk is full; nothing of it was kept")

    broken = replace(site.bank, blobs=_Full(site.bank.blobs, full))
    server = start(broken, HOST, 0)
    refused = associate(Site(broken, server), CT)
    answer = refused.send_c_store(_with_meta(after))
    refused.release()
    server.stop(1)
    association.release()

    assert answer.Status == 0xA700
    assert held(site, before.SOPInstanceUID).uid == before.SOPInstanceUID


class _Full:
    """A blob store without room: everything else is the real one's."""

    def __init__(self, real: Any, write: Any) -> None:
        self._real = real
        self.write = write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _with_meta(dataset: Any) -> Any:
    return read(as_file(dataset))


def _store_as(association: Any, dataset: Any, sop_class: str) -> Any:
    """Send a data set under another SOP class than its own, as pynetdicom would not do by itself."""
    request = C_STORE()
    request.MessageID = 1
    request.AffectedSOPClassUID = sop_class
    request.AffectedSOPInstanceUID = dataset.SOPInstanceUID
    request.Priority = 2
    context = association.accepted_contexts[0]
    request.DataSet = BytesIO(encode(dataset, context.transfer_syntax[0].is_implicit_VR, is_little_endian=True) or b"")
    association._reactor_checkpoint.clear()
    association.dimse.send_msg(request, context.context_id)
    _, response = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    return response
