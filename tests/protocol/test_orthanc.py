"""Orthanc sends to the bank, searches it and takes back, by DIMSE and by DICOMweb."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydicom import Dataset

from bank import a_token, free_port, open_test_bank, serving
from imagebank import worker
from imagebank.actions import devices, retrieve
from imagebank.bank import Bank
from imagebank.dimse.commitment import JOB, deliver_commitment
from imagebank.dimse.server import start
from imagebank.model.access import Device, Scope
from imagebank.model.attribute import Level
from imagebank.model.imaging import Selection
from imagebank.model.query import Query
from imagebank.model.uid import Uid
from make import read
from protocol.orthanc_peer import HOST, TITLE, Orthanc, an_orthanc
from samples import sample_data

OURS = Scope(organizations=None)
SETS = {
    "a CT series": "ct-head-current/S2010/*",
    "a JPEG 2000 picture": "xa/XA1_J2KR",
    "an RLE loop": "us-multiframe/YBR_FULL-RLE.dcm",
    "a JPEG loop": "us-multiframe/I_000001.dcm",
    "a name in Japanese": "charsets/chrH31.dcm",
    "a name in Russian": "charsets/chrRuss.dcm",
}
ALL = pytest.mark.parametrize("name", SETS)
WAYS = pytest.mark.parametrize("way", ["dimse", "web"])


@dataclass(frozen=True)
class Site:
    bank: Bank
    orthanc: Orthanc

    def empty(self) -> None:
        """Take everything out of both."""
        self.orthanc.empty()
        with self.bank.index.begin() as tx:
            for study, _, _ in self.bank.index.series_of(Selection(), OURS):
                tx.remove(Selection(study=study), OURS)

    def send(self, way: str, *instances: str) -> None:
        answer = self.orthanc.send_by_dimse(*instances) if way == "dimse" else self.orthanc.send_by_web(*instances)
        assert int(answer.get("FailedInstancesCount", 0)) == 0, answer

    def count(self) -> int:
        return self.bank.index.count(Query(Level.INSTANCE), OURS)

    def held(self, uid: str) -> bytes:
        return retrieve.file(self.bank, retrieve.select(self.bank, Selection(instance=Uid(uid)), OURS)[0])


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("orthanc")
    with open_test_bank(folder, open_loopback=False) as bank, serving(bank) as url:
        server, port, stop = start(bank, HOST, 0), free_port(), threading.Event()
        work = {**worker.WORK, JOB: deliver_commitment}
        working = threading.Thread(target=worker.run, args=(bank, stop, work))
        working.start()
        devices.add(bank, Device(TITLE, HOST, port, False, devices.DEVICE_RIGHTS, "local"))
        try:
            with an_orthanc(
                folder / "peer",
                bank_title="IMAGEBANK",
                bank_port=server.port,
                bank_url=url,
                token=a_token(bank),
                port=port,
            ) as orthanc:
                yield Site(bank, orthanc)
        finally:
            stop.set()
            working.join()
            server.stop(5)


@pytest.fixture
def site(shared: Site) -> Site:
    shared.empty()
    return shared


def files(name: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(sample_data().glob(SETS[name]))[:10]]


def pixels(file: bytes) -> bytes:
    """The value of Pixel Data as it stands in the file: the codestreams where it is compressed."""
    return bytes(read(file).PixelData)


@ALL
@WAYS
def test_what_orthanc_sends_is_kept_with_the_same_pixels(site: Site, name: str, way: str) -> None:
    sent = files(name)
    site.send(way, *[site.orthanc.put(file) for file in sent])

    assert site.count() == len(sent)
    for file in sent:
        kept = site.held(read(file).SOPInstanceUID)
        assert pixels(kept) == pixels(file)
        assert read(kept).file_meta.TransferSyntaxUID == read(file).file_meta.TransferSyntaxUID
        assert read(kept).PatientName == read(file).PatientName


@pytest.mark.parametrize("ways", [("dimse", "web"), ("web", "dimse"), ("dimse", "dimse"), ("web", "web")])
def test_the_same_instance_by_both_ways_is_held_once(site: Site, ways: tuple[str, str]) -> None:
    instance = site.orthanc.put(files("a JPEG 2000 picture")[0])
    for way in ways:
        site.send(way, instance)

    assert site.count() == 1
    assert site.bank.index.quarantined(OURS) == []


@ALL
def test_orthanc_moves_here_what_it_found_by_c_find(site: Site, name: str) -> None:
    sent = files(name)
    site.send("web", *[site.orthanc.put(file) for file in sent])
    site.orthanc.empty()

    first = read(sent[0])
    query, answers = site.orthanc.search_by_dimse(
        "Study", PatientID=str(first.PatientID), StudyInstanceUID="", PatientName=""
    )
    site.orthanc.move_here(query)

    assert [answer["StudyInstanceUID"] for answer in answers] == [first.StudyInstanceUID]
    assert came_back(site.orthanc) == in_brief(sent)


@ALL
def test_orthanc_retrieves_by_web_what_it_found_by_qido(site: Site, name: str) -> None:
    sent = files(name)
    site.send("dimse", *[site.orthanc.put(file) for file in sent])
    site.orthanc.empty()

    first = read(sent[0])
    answers = site.orthanc.search_by_web("/studies", PatientID=str(first.PatientID))
    site.orthanc.retrieve_by_web(Study=first.StudyInstanceUID)

    assert [study_uid(answer) for answer in answers] == [first.StudyInstanceUID]
    assert came_back(site.orthanc) == in_brief(sent)


def study_uid(answer: dict[str, Any]) -> str:
    return str(answer["0020000D"]["Value"])


def in_brief(sent: list[bytes]) -> list[tuple[str, str, bytes]]:
    return sorted((ds.SOPInstanceUID, str(ds.PatientName), bytes(ds.PixelData)) for ds in map(read, sent))


def came_back(orthanc: Orthanc) -> list[tuple[str, str, bytes]]:
    return in_brief([orthanc.file(one) for one in orthanc.instances()])


def test_one_series_and_one_instance_are_retrieved_alone(site: Site) -> None:
    sent = files("a CT series")
    site.send("dimse", *[site.orthanc.put(file) for file in sent])
    site.orthanc.empty()

    wanted: Dataset = read(sent[3])
    site.orthanc.retrieve_by_web(
        Study=wanted.StudyInstanceUID, Series=wanted.SeriesInstanceUID, Instance=wanted.SOPInstanceUID
    )

    assert came_back(site.orthanc) == in_brief([sent[3]])


def test_orthanc_finds_a_name_in_another_script(site: Site) -> None:
    file = files("a name in Russian")[0]
    site.send("web", site.orthanc.put(file))

    _, by_dimse = site.orthanc.search_by_dimse("Study", PatientID="SCSRUSS", PatientName="", StudyInstanceUID="")
    by_web = site.orthanc.search_by_web("/studies", PatientName=str(read(file).PatientName).lower())

    assert [answer["PatientName"] for answer in by_dimse] == [str(read(file).PatientName)]
    assert [study_uid(answer) for answer in by_web] == [read(file).StudyInstanceUID]


def test_orthanc_searches_every_level_and_moves_one_series(site: Site) -> None:
    sent = files("a CT series")
    site.send("dimse", *[site.orthanc.put(file) for file in sent])
    site.send("web", site.orthanc.put(files("a JPEG loop")[0]))
    site.orthanc.empty()
    study, series = read(sent[0]).StudyInstanceUID, read(sent[0]).SeriesInstanceUID

    _, patients = site.orthanc.search_by_dimse("Patient", PatientID=read(sent[0]).PatientID)
    _, studies = site.orthanc.search_by_dimse("Study", StudyDate=f"{read(sent[0]).StudyDate}-", StudyInstanceUID="")
    query, found = site.orthanc.search_by_dimse("Series", StudyInstanceUID=study, Modality="CT", SeriesInstanceUID="")
    _, instances = site.orthanc.search_by_dimse(
        "Instance", StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID=""
    )
    site.orthanc.move_here(query)

    assert len(patients) == 1
    assert study in [one["StudyInstanceUID"] for one in studies]
    assert [one["SeriesInstanceUID"] for one in found] == [series]
    assert {one["SOPInstanceUID"] for one in instances} == {read(file).SOPInstanceUID for file in sent}
    assert came_back(site.orthanc) == in_brief(sent)


def test_orthanc_hears_that_what_it_sent_is_safe(site: Site) -> None:
    report = site.orthanc.send_and_have_committed(*[site.orthanc.put(file) for file in files("a CT series")[:3]])

    assert report["Status"] == "Success"
    assert len(report["Success"]) == 3


def test_orthanc_hears_what_is_not_here(site: Site) -> None:
    ds = read(files("a JPEG 2000 picture")[0])
    site.send("web", site.orthanc.put(files("a JPEG 2000 picture")[0]))

    report = site.orthanc.ask_for_commitment((ds.SOPClassUID, ds.SOPInstanceUID), (ds.SOPClassUID, "1.2.3.4.5"))

    assert report["Status"] == "Failure"
    assert [one["SOPInstanceUID"] for one in report["Success"]] == [ds.SOPInstanceUID]
    assert [one["SOPInstanceUID"] for one in report["Failures"]] == ["1.2.3.4.5"]
