"""`imagebank correct` and `imagebank versions`."""

import json
from pathlib import Path

import pytest

from make import a_series, read
from running import Said, imagebank

STUDY = "1.2.826.0.1.8"
FILES = a_series(2, StudyInstanceUID=STUDY)
UID = str(read(FILES[0]).SOPInstanceUID)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corrections")
    for number, file in enumerate(FILES):
        (folder / f"{number}.dcm").write_bytes(file)
    files = sorted(folder.glob("*.dcm"))
    assert imagebank("import", *files, "--data", folder / "bank").status == 0
    return folder / "bank"


def corrected(data: Path, *more: str) -> Said:
    return imagebank("correct", "--study", STUDY, *more, "--data", data)


def test_what_would_change_is_shown_changed_told_and_undone(data: Path, tmp_path: Path) -> None:
    given = ("--set", "PatientName=Diaz^Ana", "--remove", "StudyID")
    tried = corrected(data, *given, "--dry-run")
    made = corrected(data, *given, "--reason", "wrong patient", "--json")
    done = json.loads(made.out)
    rows = json.loads(imagebank("versions", UID, "--json", "--data", data).out)
    had_back = imagebank("versions", UID, "--get", "1", "--to", tmp_path / "before.dcm", "--data", data)
    undone = corrected(data, "--undo", done["correction"], "--reason", "it was the right one")

    assert tried.status == 0
    for word in ("PatientName", "Doe^Jane", "Diaz^Ana", "StudyID", "S1", "—", "2 of 2 objects would change"):
        assert word in tried.out
    assert (made.status, done["outcome"], done["count"]) == (0, "done", 2)
    assert [row["superseded_by"] for row in rows] == [done["correction"], ""]
    assert had_back.status == 0
    assert (tmp_path / "before.dcm").read_bytes() == FILES[0]
    assert undone.status == 0


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ((), 2),
        (("--set", "PatientName"), 2),
        (("--set", "NoSuch=1"), 2),
        (("--set", "PatientName=A", "--undo", "f" * 32), 2),
        (("--set", "PatientName=A"), 1),
        (("--set", "Rows=7", "--reason", "r"), 2),
        (("--set", "PatientName=A", "--series", "1.2.3", "--reason", "r"), 1),
    ],
)
def test_what_is_no_correction_is_refused(data: Path, more: tuple[str, ...], status: int) -> None:
    assert corrected(data, *more).status == status


def test_a_version_needs_a_file(data: Path) -> None:
    assert imagebank("versions", UID, "--get", "1", "--data", data).status == 2
