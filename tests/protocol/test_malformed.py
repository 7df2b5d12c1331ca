"""Broken and odd files by every way in: a clear answer, nothing lost, and the server as well as before."""

import io
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from pydicom import Dataset
from pydicom.uid import ImplicitVRLittleEndian, generate_uid

from imagebank.dicom.same import is_same
from imagebank.errors import Invalid
from make import a_dataset, a_file, as_file
from protocol.dicomweb_site import parts_of, store
from protocol.whole_site import data_set_of, send_raw
from running import Running, descendants, running_bank
from samples import sample_data

CT = "1.2.840.10008.5.1.4.1.1.2"
FAILED, REFERENCED, OTHERS = "00081198", "00081199", "0008119A"
WORDS, RETRIEVE_URL = "00091001", "00081190"
SOP_CLASS_NOT_SUPPORTED = 0x0122
LIMIT_MB = 512

FOLDERS = ("malformed", "malformed-non-dicom", "media-dicomdir-variants", "ct-chest-slices-sparse-header")
FILES = sorted(path for folder in FOLDERS for path in (sample_data() / folder).iterdir())
EACH = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@dataclass(frozen=True)
class Site:
    """A bank in processes of its own; `http` speaks for an admin, relative to the DICOMweb root."""

    running: Running
    http: httpx.Client

    def is_well(self) -> bool:
        return self.http.get("/studies", params={"limit": 1}).status_code in (200, 204)

    def quarantined(self) -> list[dict[str, Any]]:
        said = self.running.run("quarantine", "list", "--json")
        assert said.status == 0, said.err
        return list(json.loads(said.out))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with (
        running_bank(tmp_path_factory.mktemp("malformed"), decoders=2) as running,
        running.http() as http,
    ):
        http.base_url = httpx.URL(f"{running.url}/dicom-web")
        yield Site(running, http)


@pytest.fixture(autouse=True)
def _empty(site: Site) -> Iterator[None]:
    """Samples share UIDs, so each test leaves the bank as it found it."""
    yield
    found = site.http.get("/studies")
    for study in found.json() if found.status_code == 200 else ():
        assert site.http.delete(f"/studies/{study['0020000D']['Value'][0]}").status_code == 204


def words_of(module: dict[str, Any], sequence: str) -> list[str]:
    return [str(item.get(WORDS, {}).get("Value", [""])[0]) for item in module.get(sequence, {}).get("Value", [])]


def kept_urls(module: dict[str, Any]) -> list[str]:
    return [item[RETRIEVE_URL]["Value"][0] for item in module.get(REFERENCED, {}).get("Value", [])]


RESOURCES = (
    "",
    "/metadata",
    "/frames/1",
    "/frames/2",
    "/rendered",
    "/frames/1/rendered",
    "/thumbnail",
    "/bulkdata/7FE00010",
    "/rendered?window=40,400,linear&viewport=64,64",
)


def take_through(site: Site, url: str) -> dict[str, int]:
    """Ask for every form of an object; the statuses."""
    accepts = ("*/*", 'multipart/related; type="application/dicom"; transfer-syntax=*')
    statuses = {path: site.http.get(url + path, headers={"Accept": "*/*"}).status_code for path in RESOURCES}
    for accept in (*accepts, "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.80", "image/jpeg", "image/gif"):
        statuses[accept] = site.http.get(url, headers={"Accept": accept}).status_code
        statuses[f"rendered as {accept}"] = site.http.get(f"{url}/rendered", headers={"Accept": accept}).status_code
    return statuses


@EACH
def test_by_stow_each_file_gets_a_clear_answer_and_can_be_taken_through_everything(site: Site, path: Path) -> None:
    started = time.monotonic()
    answer = store(site.http, path.read_bytes())

    assert answer.status_code in (200, 202, 409), answer.text
    module = answer.json()
    refusals = [*words_of(module, FAILED), *words_of(module, OTHERS)]
    kept = kept_urls(module)
    assert len(kept) + len(refusals) == 1
    assert all(len(words) > 10 for words in refusals), "a refusal names its reason"
    for url in kept:
        statuses = take_through(site, url)
        assert statuses[""] == 200, "what was kept is given back"
        assert statuses["/metadata"] == 200
        assert all(status < 500 or status == 501 for status in statuses.values()), statuses
        given = site.http.get(url, headers={"Accept": "application/dicom; transfer-syntax=*"})
        assert is_same(given.content, path.read_bytes())
    assert site.is_well()
    assert time.monotonic() - started < 60


def named(file: bytes) -> tuple[str, str]:
    """SOP class and instance as a sender would name them; others where the file has none."""
    try:
        ds = pydicom.dcmread(io.BytesIO(file), force=True, stop_before_pixels=True)
        return str(ds.get("SOPClassUID") or CT), str(ds.get("SOPInstanceUID") or generate_uid())
    except Exception:  # noqa: BLE001 - pydicom may fail with anything at these files
        return CT, generate_uid()


@EACH
def test_by_c_store_each_file_gets_a_status_with_a_reason(site: Site, path: Path) -> None:
    file = path.read_bytes()
    sop_class, uid = named(file)
    try:
        syntax, data_set = data_set_of(file)
    except Invalid:
        syntax, data_set = "1.2.840.10008.1.2.1", file

    status, answer = send_raw(site.running.dimse_port, data_set, sop_class=sop_class, uid=uid, syntax=syntax)

    assert status is not None, "an association is not aborted for what a data set holds"
    assert status in (0x0000, 0xB007, SOP_CLASS_NOT_SUPPORTED) or status >> 12 in (0xA, 0xC), hex(status)
    if status not in (0x0000, 0xB007):
        assert answer.get("ErrorComment")
    assert site.is_well()


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit status, its answer, the most memory it ever had in MB, and seconds."""

    status: int
    answer: dict[str, Any]
    peak_mb: float
    seconds: float


# The program itself, and then the most memory that it had. The kernel's accounting of children (wait4) counts what
# this process has, too, as a child begins as its copy.
PROGRAM = """
import sys
from imagebank.cli import run
status = run(sys.argv[1:])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")), flush=True)
sys.exit(status)
"""


def import_in_a_child(data: Path, *paths: Path) -> Ended:
    started = time.monotonic()
    command: list[str | Path] = [sys.executable, "-c", PROGRAM, "import", "--data", data, "--json", *paths]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=False)
    answer, _, peak_kb = ended.stdout.rstrip().rpartition("\n")
    return Ended(ended.returncode, json.loads(answer), int(peak_kb) / 1024, time.monotonic() - started)


def test_by_import_every_file_is_accounted_for_in_little_memory(tmp_path: Path) -> None:
    ended = import_in_a_child(tmp_path / "bank", *(sample_data() / folder for folder in FOLDERS))

    answer = ended.answer
    assert ended.status == 1, "something was refused, and the exit status says so"
    assert answer["files"] == len(FILES)
    assert answer["stored"] + answer["duplicate"] + answer["refused"] + answer["quarantined"] + answer["read"] == len(
        FILES
    )
    assert len(answer["refusals"]) == answer["refused"] + answer["quarantined"]
    assert all(len(one["reason"]) > 10 for one in answer["refusals"])
    assert ended.peak_mb < LIMIT_MB
    assert ended.seconds < 60


NO_UID = ["made-no-study-uid.dcm", "empty_charset_LEI.dcm", "no_meta_group_length.dcm"]
NO_DICOM = ["made-zero-bytes.dcm", "made-html-as-dcm.dcm", "made-preamble-only.dcm", "made-truncated-in-header.dcm"]


@pytest.mark.parametrize("name", NO_UID + NO_DICOM)
def test_what_has_no_identity_is_refused(site: Site, name: str) -> None:
    answer = store(site.http, (sample_data() / "malformed" / name).read_bytes())

    assert answer.status_code == 409
    (words,) = words_of(answer.json(), FAILED) + words_of(answer.json(), OTHERS)
    assert name not in NO_UID or "UID" in words


@pytest.mark.parametrize(
    "name",
    [
        "malformed/made-empty-patient.dcm",
        "malformed/made-rows-lie.dcm",
        "malformed/badVR.dcm",
        "malformed/ExplVR_BigEndNoMeta.dcm",
        "malformed/ExplVR_LitEndNoMeta.dcm",
        "ct-chest-slices-sparse-header/0.dcm",
        "ct-chest-slices-sparse-header/1.dcm",
        "cr-dx/dx_image.dcm",
    ],
)
def test_what_is_odd_but_has_an_identity_is_kept_with_a_warning(site: Site, name: str) -> None:
    answer = store(site.http, (sample_data() / name).read_bytes())

    assert answer.status_code == 202
    (words,) = words_of(answer.json(), REFERENCED)
    assert len(words) > 10


def test_a_second_object_under_a_uid_can_be_looked_at_sent_in_again_and_deleted(site: Site, tmp_path: Path) -> None:
    first, second = (sample_data() / f"malformed/made-duplicate-uid-{one}.dcm" for one in "ab")
    assert store(site.http, first.read_bytes()).status_code == 200
    assert store(site.http, second.read_bytes()).status_code == 409

    (laid_aside,) = site.quarantined()
    number = str(laid_aside["number"])
    out = tmp_path / "out.dcm"
    assert site.running.run("quarantine", "get", number, out).status == 0
    assert out.read_bytes() == second.read_bytes()
    assert laid_aside["bytes"] == len(second.read_bytes())
    assert "SOP Instance UID" in laid_aside["reason"]

    assert site.running.run("quarantine", "submit", number).status == 1, "the first is still there"
    assert site.quarantined()
    ds = pydicom.dcmread(first)
    assert site.http.delete(f"/studies/{ds.StudyInstanceUID}").status_code == 204
    assert site.running.run("quarantine", "submit", number).status == 0
    assert not site.quarantined()
    url = f"/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"
    assert site.http.get(url, headers={"Accept": "application/dicom"}).content == second.read_bytes()

    assert store(site.http, first.read_bytes()).status_code == 409
    (laid_aside,) = site.quarantined()
    assert site.running.run("quarantine", "delete", str(laid_aside["number"])).status == 0
    assert not site.quarantined()


def a_broken_sequence(study: str) -> bytes:
    """An implicit object with an item that says it is longer than its sequence."""
    item = Dataset()
    item.CodeMeaning = "x" * 20
    ds = a_dataset(StudyInstanceUID=study, AnatomicRegionSequence=[item])
    file = as_file(ds, ImplicitVRLittleEndian)
    start = file.index(b"\xfe\xff\x00\xe0")
    return file[: start + 4] + (4711).to_bytes(4, "little") + file[start + 8 :]


@pytest.mark.parametrize("accept", ["*/*", "application/dicom", 'multipart/related; type="application/dicom"'])
def test_what_cannot_be_written_again_comes_as_stored_and_spoils_no_study(site: Site, accept: str) -> None:
    study = generate_uid()
    broken, good = a_broken_sequence(study), a_file(StudyInstanceUID=study)
    answer = store(site.http, broken, good)
    assert answer.status_code in (200, 202), answer.text

    one = site.http.get(kept_urls(answer.json())[0], headers={"Accept": accept})
    whole = site.http.get(f"/studies/{study}", headers={"Accept": "*/*"})

    assert one.status_code == 200
    assert broken in ([one.content] if accept == "application/dicom" else [part for _, part in parts_of(one)])
    assert {part for _, part in parts_of(whole)} == {broken, good}


@pytest.mark.parametrize(
    "given",
    [
        {"SpecificCharacterSet": "NONSENSE"},
        {"PatientID": None},
        {"StudyDate": None, "StudyTime": None},
        {"PatientID": None, "PatientName": None, "Modality": None, "StudyID": None},
    ],
)
def test_a_lack_that_hurts_no_identity_is_a_warning(site: Site, given: dict[str, Any]) -> None:
    answer = store(site.http, as_file(a_dataset(**given)))

    assert answer.status_code == 202
    assert words_of(answer.json(), REFERENCED)[0]


@pytest.mark.parametrize("junk", [b"\0", bytes(7000), b"junk" * 50, b"\xff" * 3])
def test_junk_after_the_pixels_is_a_warning_and_is_kept(site: Site, junk: bytes) -> None:
    file = a_file() + junk

    answer = store(site.http, file)

    assert answer.status_code == 202
    (url,) = kept_urls(answer.json())
    assert site.http.get(url, headers={"Accept": "application/dicom"}).content == file


@pytest.mark.parametrize("uid", ["../../../etc/passwd", "/etc/passwd", "1.2/../../3", "1.2\\..\\3"])
@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_a_uid_is_never_a_path(site: Site, keyword: str, uid: str) -> None:
    stand_in = "7" * len(uid)
    file = a_file(**{keyword: stand_in}).replace(stand_in.encode(), uid.encode())

    answer = store(site.http, file)

    assert answer.status_code == 409
    assert not list(site.running.data.rglob("passwd*"))


def test_flipped_bytes_anywhere_never_upset_the_server(site: Site) -> None:
    chance = random.Random(20260102)
    folder = sample_data()
    names = ["charsets/chrH32.dcm", "rt-small/rtplan.dcm", "objects/sr/sr.dcm", "transfer-syntaxes/rle/SC_rgb_rle.dcm",
             "transfer-syntaxes/jpegls/JLSL_08_07_0_1F.dcm", "transfer-syntaxes/deflated/image_dfl.dcm"]  # fmt: skip
    for name in names * 8:
        file = bytearray((folder / name).read_bytes())
        for _ in range(chance.choice((1, 2, 8))):
            file[chance.randrange(132, min(len(file), 2500))] = chance.randrange(256)
        answer = store(site.http, bytes(file))
        assert answer.status_code in (200, 202, 409), answer.text
        for url in kept_urls(answer.json()):
            statuses = take_through(site, url)
            assert statuses[""] == statuses["/metadata"] == 200, statuses
            assert all(status < 500 or status == 501 for status in statuses.values()), statuses
            assert site.http.delete(url).status_code == 204


def test_no_process_took_much_memory(site: Site) -> None:
    """After everything above: it stands last."""
    peaks = {pid: peak_mb(pid) for pid in [site.running.pid, *descendants(site.running.pid)]}

    assert max(peaks.values()) < LIMIT_MB, peaks


def peak_mb(pid: int) -> float:
    """The most memory that a process ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
