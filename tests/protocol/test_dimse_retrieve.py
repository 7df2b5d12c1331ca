"""C-MOVE and C-GET with dcmtk and pynetdicom as peers."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid
from pynetdicom import AE, build_context, build_role, evt

from bank import free_port, keep, keep_paths
from imagebank.dicom.part10 import wrap
from imagebank.dicom.scan import file_meta
from imagebank.dimse import scu
from imagebank.dimse.command import Command, Kind
from imagebank.dimse.contexts import EXPLICIT_LE, IMPLICIT_LE, PATIENT_GET, PATIENT_MOVE, STUDY_GET, STUDY_MOVE
from imagebank.model.access import Device, Right, Scope
from imagebank.model.event import Act
from imagebank.settings import load
from make import a_file, a_series, as_file, read
from protocol.dimse_peers import (
    HOST,
    Site,
    a_destination,
    a_site,
    a_storescp,
    associate,
    dcmtk,
    register,
)
from samples import sample_data

ALL = Scope(organizations=None)
CT = "1.2.840.10008.5.1.4.1.1.2"
SYNTAXES = sorted((sample_data() / "transfer-syntaxes" / "ct-one-image-all-syntaxes").iterdir())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path / "site") as found:
        yield found


def a_study(site: Site, count: int = 3, **attributes: Any) -> str:
    study = generate_uid()
    keep(site.bank, *a_series(count, StudyInstanceUID=study, **attributes))
    return study


def wanted(level: str, **keys: Any) -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(dataset, keyword, value)
    return dataset


def move(site: Site, destination: str, aet: str = "TESTER", **keys: Any) -> list[tuple[Dataset, Dataset | None]]:
    association = associate(site, STUDY_MOVE, aet=aet)
    answers = list(association.send_c_move(wanted("STUDY", **keys), destination, STUDY_MOVE))
    association.release()
    return answers


def get(
    site: Site,
    identifier: Dataset,
    offers: Sequence[tuple[str, str]],
    root: str = STUDY_GET,
    statuses: Sequence[int] = (),
    aet: str = "TESTER",
) -> tuple[list[tuple[str, bytes]], list[Dataset], Dataset | None]:
    """(transfer syntax, data set) of what came, every status, and the last identifier."""
    came: list[tuple[str, bytes]] = []
    waiting = list(statuses)

    def store(event: Any) -> int:
        came.append((str(event.context.transfer_syntax), event.encoded_dataset(include_meta=False)))
        return waiting.pop(0) if waiting else 0

    contexts = [build_context(root), *(build_context(sop_class, syntax) for sop_class, syntax in offers)]
    roles = [build_role(sop_class, scp_role=True) for sop_class, _ in offers]
    handlers = [(evt.EVT_C_STORE, store)]
    association = associate(site, *contexts, aet=aet, ext_neg=roles, evt_handlers=handlers)
    answers = list(association.send_c_get(identifier, root))
    association.release()
    return came, [status for status, _ in answers], answers[-1][1]


def counts(status: Dataset) -> tuple[int, ...]:
    names = ("Completed", "Failed", "Warning")
    return tuple(int(status.get(f"NumberOf{name}Suboperations", -1)) for name in names)


def test_movescu_has_a_study_sent_to_storescp(site: Site, tmp_path: Path) -> None:
    study = a_study(site)
    with a_storescp(tmp_path / "there") as port:
        register(site, "STORESCP", port)
        answer = dcmtk(
            "movescu",
            site,
            "-S",
            "-aem",
            "STORESCP",
            "-k",
            "QueryRetrieveLevel=STUDY",
            "-k",
            f"StudyInstanceUID={study}",
        )

    assert answer.returncode == 0
    assert len(list((tmp_path / "there").iterdir())) == 3


def test_getscu_gets_a_series(site: Site, tmp_path: Path) -> None:
    study, series = generate_uid(), generate_uid()
    keep(site.bank, *a_series(2, StudyInstanceUID=study, SeriesInstanceUID=series))

    keys = ("QueryRetrieveLevel=SERIES", f"StudyInstanceUID={study}", f"SeriesInstanceUID={series}")
    arguments = [argument for key in keys for argument in ("-k", key)]
    assert dcmtk("getscu", site, "-S", "-od", tmp_path, *arguments).returncode == 0
    assert len([path for path in tmp_path.iterdir() if path.is_file()]) == 2


@pytest.mark.parametrize("path", SYNTAXES, ids=lambda path: path.name.split("_")[-1][:28])
def test_every_transfer_syntax_goes_in_by_c_store_and_out_by_c_get_bit_by_bit(path: Path, site: Site) -> None:
    file = path.read_bytes()
    meta, offset = file_meta(file, len(file))
    raw = meta[0x00020010]
    syntax = file[raw.offset : raw.offset + raw.length].decode().rstrip("\0")
    original = dcmread(path, stop_before_pixels=True)

    answer = store(site, original, syntax, file[offset:])
    came, statuses, _ = get(site, wanted("STUDY", StudyInstanceUID=original.StudyInstanceUID), [(CT, syntax)])
    assert answer in (0x0000, 0xB007)
    assert came == [(syntax, file[offset:])]
    assert statuses[-1].Status == 0x0000


def store(site: Site, original: Dataset, syntax: str, data: bytes) -> int:
    """Store one raw data set over the wire; the status of the answer."""
    device = Device("IMAGEBANK", "127.0.0.1", site.port, tls=False, rights=frozenset(), organization="local")
    command: Command = {
        "AffectedSOPClassUID": CT,
        "AffectedSOPInstanceUID": str(original.SOPInstanceUID),
        "CommandField": int(Kind.C_STORE),
        "Priority": 0,
    }
    with scu.associated(load(environ={}), device, [(CT, (syntax,))]) as association:
        return scu.request(association, scu.accepted(association, CT)[0], command, iter((data,)))


def test_a_peer_that_takes_explicit_coding_only_gets_equal_pixels(site: Site) -> None:
    compressed = next(path for path in SYNTAXES if "1.2.4.90" in path.name)
    keep_paths(site.bank, [compressed])
    original = dcmread(compressed)

    came, statuses, _ = get(site, wanted("STUDY", StudyInstanceUID=original.StudyInstanceUID), [(CT, EXPLICIT_LE)])
    (syntax, data) = came[0]
    assert (syntax, statuses[-1].Status) == (EXPLICIT_LE, 0x0000)
    assert (as_read(data, syntax).pixel_array == original.pixel_array).all()


def as_read(data: bytes, syntax: str) -> Dataset:
    return read(wrap(data, sop_class=CT, sop_uid="1.2.3", transfer_syntax=syntax) + data)


def test_implicit_coding_is_made_for_a_peer_that_takes_nothing_else(site: Site) -> None:
    study = a_study(site, 1)

    came, statuses, _ = get(site, wanted("STUDY", StudyInstanceUID=study), [(CT, IMPLICIT_LE)])
    assert [syntax for syntax, _ in came] == [IMPLICIT_LE]
    assert as_read(came[0][1], IMPLICIT_LE).StudyInstanceUID == study
    assert counts(statuses[-1]) == (1, 0, 0)


def test_what_the_peer_does_not_take_fails_and_is_listed(site: Site) -> None:
    study = a_study(site, 2)
    sr = read(a_file(StudyInstanceUID=study))
    sr.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    keep(site.bank, as_file(sr))

    _, statuses, failed = get(site, wanted("STUDY", StudyInstanceUID=study), [(CT, EXPLICIT_LE)])
    assert statuses[-1].Status == 0xB000
    assert counts(statuses[-1]) == (2, 1, 0)
    assert failed is not None
    assert failed.FailedSOPInstanceUIDList == sr.SOPInstanceUID
    assert "NumberOfRemainingSuboperations" not in statuses[-1]


def test_each_sub_operation_is_counted_down(site: Site) -> None:
    study = a_study(site, 3)

    _, statuses, _ = get(site, wanted("STUDY", StudyInstanceUID=study), [(CT, EXPLICIT_LE)], statuses=[0xB000, 0xA700])
    assert [int(status.NumberOfRemainingSuboperations) for status in statuses[:-1]] == [2, 1, 0]
    assert counts(statuses[-1]) == (1, 1, 1)


def test_a_get_without_a_match_is_a_success(site: Site) -> None:
    came, statuses, _ = get(site, wanted("STUDY", StudyInstanceUID=generate_uid()), [(CT, EXPLICIT_LE)])

    assert came == []
    assert statuses[-1].Status == 0x0000


def test_a_get_that_is_cancelled_stops(site: Site) -> None:
    study, came = a_study(site, 30), 0

    def store(event: Any) -> int:
        nonlocal came
        came += 1
        if came == 2:
            event.assoc.send_c_cancel(7, query_model=STUDY_GET)
        return 0

    role, handlers = build_role(CT, scp_role=True), [(evt.EVT_C_STORE, store)]
    contexts = [build_context(STUDY_GET), build_context(CT, EXPLICIT_LE)]
    association = associate(site, *contexts, ext_neg=[role], evt_handlers=handlers)
    answers = list(association.send_c_get(wanted("STUDY", StudyInstanceUID=study), STUDY_GET, msg_id=7))
    is_open = association.is_established
    association.release()

    last = answers[-1][0]
    assert last.Status == 0xFE00
    assert 2 <= came < 30
    assert counts(last) == (came, 0, 0)
    assert last.NumberOfRemainingSuboperations == 30 - came
    assert is_open, "the association goes on"


def test_a_patient_is_got_with_every_study(site: Site) -> None:
    for _ in range(2):
        a_study(site, 1, PatientID="P9")
    a_study(site, 1, PatientID="P10")

    came, _, _ = get(site, wanted("PATIENT", PatientID="P9"), [(CT, EXPLICIT_LE)], root=PATIENT_GET)
    assert len(came) == 2


def test_a_patient_is_got_without_the_other_who_has_the_same_id_of_another_issuer(site: Site) -> None:
    for issuer, name in (("H1", "One^A"), ("H2", "Two^B")):
        a_study(site, 1, PatientID="P11", IssuerOfPatientID=issuer, PatientName=name)
    offers = [(CT, EXPLICIT_LE)]

    bare, refused, _ = get(site, wanted("PATIENT", PatientID="P11"), offers, root=PATIENT_GET)
    assert (bare, refused[-1].Status) == ([], 0xA900)
    assert "IssuerOfPatientID" in refused[-1].ErrorComment
    qualified = wanted("PATIENT", PatientID="P11", IssuerOfPatientID="H2")
    came, statuses, _ = get(site, qualified, offers, root=PATIENT_GET)
    assert statuses[-1].Status == 0
    assert [b"Two^B" in data for _, data in came] == [True]


def test_a_list_of_instances_is_got(site: Site) -> None:
    study, series = generate_uid(), generate_uid()
    files = a_series(4, StudyInstanceUID=study, SeriesInstanceUID=series)
    keep(site.bank, *files)
    uids = [read(file).SOPInstanceUID for file in files[:2]]
    identifier = wanted("IMAGE", StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID=uids)

    came, _, _ = get(site, identifier, [(CT, EXPLICIT_LE)])
    assert len(came) == 2


def test_a_move_reaches_the_destination_and_names_who_asked(site: Site) -> None:
    study = a_study(site, 2)
    with a_destination() as there:
        register(site, "DEST", there.port)
        answers = move(site, "DEST", StudyInstanceUID=study)

    assert [status.Status for status, _ in answers] == [0xFF00, 0xFF00, 0x0000]
    assert len(there.objects) == 2
    assert there.originators == ["TESTER", "TESTER"]


def test_a_move_to_a_title_that_nobody_registered_is_refused(site: Site) -> None:
    ((status, _),) = move(site, "NOWHERE", StudyInstanceUID=a_study(site, 1))

    assert status.Status == 0xA801


def test_a_move_to_a_device_that_does_not_answer_fails_whole(site: Site) -> None:
    register(site, "DEAD", free_port())
    answers = move(site, "DEAD", StudyInstanceUID=a_study(site, 2))

    assert answers[-1][0].Status == 0xA702
    assert counts(answers[-1][0]) == (0, 2, 0)
    assert answers[-1][1] is not None
    assert len(answers[-1][1].FailedSOPInstanceUIDList) == 2


def test_a_move_counts_warnings_and_failures_of_the_destination(site: Site) -> None:
    study = a_study(site, 3)
    with a_destination(statuses=[0xB007, 0xA700]) as there:
        register(site, "DEST", there.port)
        answers = move(site, "DEST", StudyInstanceUID=study)

    assert answers[-1][0].Status == 0xB000
    assert counts(answers[-1][0]) == (1, 1, 1)


def test_a_destination_that_drops_the_association_and_then_takes_another_coding_gets_that(site: Site) -> None:
    study = a_study(site, 3)
    came: list[str] = []
    ae = AE("DEST")
    ae.supported_contexts = [build_context(CT, EXPLICIT_LE)]

    def store(event: Any) -> int:
        came.append(str(event.context.transfer_syntax))
        if len(came) == 2:
            server.contexts = [build_context(CT, IMPLICIT_LE)]
            event.assoc.abort()
        assert as_read(event.encoded_dataset(include_meta=False), came[-1]).StudyInstanceUID == study
        return 0

    port = free_port()
    handlers: Any = [(evt.EVT_C_STORE, store)]
    server: Any = ae.start_server((HOST, port), block=False, evt_handlers=handlers)
    register(site, "DEST", port)
    answers = move(site, "DEST", StudyInstanceUID=study)
    server.shutdown()

    assert counts(answers[-1][0]) == (2, 1, 0)
    assert came == [EXPLICIT_LE, EXPLICIT_LE, IMPLICIT_LE]


def test_a_compressed_object_is_moved_decompressed_to_a_device_that_asks_for_that(site: Site) -> None:
    compressed = next(path for path in SYNTAXES if path.name.endswith("1.2.5.dcm"))
    keep_paths(site.bank, [compressed])
    original = dcmread(compressed)
    with a_destination(syntaxes=[IMPLICIT_LE]) as there:
        register(site, "DEST", there.port)
        move(site, "DEST", StudyInstanceUID=original.StudyInstanceUID)

    ((_, syntax, data),) = there.objects
    assert syntax == IMPLICIT_LE
    assert (as_read(data, syntax).pixel_array == original.pixel_array).all()


def test_a_move_that_is_cancelled_stops(site: Site) -> None:
    study = a_study(site, 30)
    with a_destination() as there:
        register(site, "DEST", there.port)
        association = associate(site, STUDY_MOVE)
        answers = []
        for status, _ in association.send_c_move(wanted("STUDY", StudyInstanceUID=study), "DEST", STUDY_MOVE, msg_id=7):
            answers.append(status)
            if len(answers) == 1:
                association.send_c_cancel(7, query_model=STUDY_MOVE)
        association.release()

    assert answers[-1].Status == 0xFE00
    assert 0 < answers[-1].NumberOfRemainingSuboperations < 30
    assert len(there.objects) < 30


def test_a_device_may_move_without_the_right_to_get(site: Site) -> None:
    study = a_study(site, 1)
    register(site, "MOVER", rights=frozenset({Right.MOVE}))
    with a_destination() as there:
        register(site, "DEST", there.port)
        assert move(site, "DEST", aet="MOVER", StudyInstanceUID=study)[-1][0].Status == 0x0000

    _, statuses, _ = get(site, wanted("STUDY", StudyInstanceUID=study), [(CT, EXPLICIT_LE)], aet="MOVER")
    assert statuses[-1].Status == 0x0124


def test_what_was_read_stands_in_the_ledger(site: Site) -> None:
    study = a_study(site, 2)
    get(site, wanted("STUDY", StudyInstanceUID=study), [(CT, EXPLICIT_LE)])

    viewed = [event for event in site.bank.index.events(Scope.of("local")) if event.act is Act.VIEWED]
    assert [(event.principal, event.study, event.count, event.detail) for event in viewed] == [
        ("TESTER", study, 2, "C-GET")
    ]


def moves(site: Site) -> list[tuple[str, str, str | None, int]]:
    """What the ledger says of C-MOVEs, oldest first: the act, its detail, which study, how many objects."""
    events = reversed(site.bank.index.events(ALL))
    # Searches are counted together, and by the second.
    told = (one for one in events if "C-MOVE" in one.detail and not one.detail.endswith(": more"))
    return [(one.act, one.detail, one.study, one.count) for one in told]


def test_what_was_moved_stands_in_the_ledger_once_a_study_with_its_destination(site: Site) -> None:
    first, second = a_study(site, 3), a_study(site, 2)
    with a_destination() as there:
        register(site, "DEST", there.port)
        move(site, "DEST", StudyInstanceUID=[first, second])
        move(site, "DEST", StudyInstanceUID=second)
    told = moves(site)

    sought = (Act.SEARCHED, "C-MOVE: study by StudyInstanceUID", None, 1)
    to = f"C-MOVE to DEST at {HOST} of local"
    assert told[0] == sought
    assert sorted(told[1:]) == sorted([(Act.SENT, to, first, 3), (Act.SENT, to, second, 2), (Act.SENT, to, second, 2)])
    assert [event.principal for event in site.bank.index.events(ALL) if event.act is Act.SENT] == ["TESTER"] * 3
    assert all(event.act is not Act.VIEWED for event in site.bank.index.events(ALL))


def test_what_never_left_is_not_told_as_sent(site: Site) -> None:
    study = a_study(site)
    register(site, "GONE", free_port())
    unreached = move(site, "GONE", StudyInstanceUID=study)[-1][0]
    with a_destination(sop_classes=["1.2.840.10008.5.1.4.1.1.4"]) as there:
        register(site, "OTHER", there.port)
        untaken = move(site, "OTHER", StudyInstanceUID=study)[-1][0]

    assert counts(unreached) == counts(untaken) == (0, 3, 0)
    assert {act for act, *_ in moves(site)} == {Act.SEARCHED}


def test_a_move_by_patient_is_a_search_by_the_patient(site: Site) -> None:
    a_study(site, 1, PatientID="P77")
    with a_destination() as there:
        register(site, "DEST", there.port)
        association = associate(site, PATIENT_MOVE)
        list(association.send_c_move(wanted("PATIENT", PatientID="P77"), "DEST", PATIENT_MOVE))
        association.release()

    assert [(act, detail) for act, detail, *_ in moves(site)] == [
        (Act.SEARCHED, "C-MOVE: patient by PatientID"),
        (Act.SENT, f"C-MOVE to DEST at {HOST} of local"),
    ]
