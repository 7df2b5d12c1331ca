"""`imagebank export`."""

import io
import zipfile
from pathlib import Path

import pytest
import pyzipper

from bank import keep, open_test_bank
from imagebank.cli.commands import run
from make import a_file


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_file(StudyInstanceUID="1.2.1", PatientID="4711"), a_file(StudyInstanceUID="1.2.2", PatientID="X"))
        return bank.settings.data


def test_studies_and_patients_are_written_into_a_new_file(data: Path, tmp_path: Path) -> None:
    out, disc, locked = tmp_path / "a.zip", tmp_path / "a.iso", tmp_path / "b.zip"
    (tmp_path / "password").write_text("correct horse\nnotes")
    given = ["export", "--data", str(data)]
    status = [
        run([*given, "--study", "1.2.1", "--study", "1.2.2", "--language", "de", "--out", str(out)]),
        run([*given, "--patient", "4711", "--out", str(disc)]),
        run([*given, "--study", "1.2.2", "--password-file", str(tmp_path / "password"), "--out", str(locked)]),
    ]
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        assert len([name for name in archive.namelist() if name.startswith("DICOM/")]) == 2
        assert b'lang="de"' in archive.read("INDEX.HTM")
    with pyzipper.AESZipFile(io.BytesIO(locked.read_bytes())) as archive:
        archive.setpassword(b"correct horse")
        assert archive.read("DICOMDIR")

    assert status == [0, 0, 0]
    assert disc.read_bytes()[0x8001:0x8006] == b"CD001"


def test_what_cannot_be_is_said_and_nothing_is_left(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, out = ["export", "--data", str(data)], tmp_path / "a.zip"
    (tmp_path / "password").write_text("\n")
    status = [
        run([*given, "--out", str(out)]),
        run([*given, "--patient", "nobody", "--out", str(out)]),
        run([*given, "--study", "9.9", "--out", str(out)]),
        run([*given, "--study", "1.2.1", "--format", "rar", "--out", str(out)]),
        run([*given, "--study", "1.2.1", "--password-file", str(tmp_path / "password"), "--out", str(out)]),
    ]

    assert status == [2, 2, 1, 2, 2]
    assert not out.exists()
    assert "there is no such study" in capsys.readouterr().err
