"""What lists look like on a narrow screen."""

import re
from pathlib import Path

from imagebank.actions import finding
from imagebank.app import opened
from imagebank.model.access import Role
from imagebank.model.elsewhere import Recall
from imagebank.model.person import PatientId
from imagebank.model.prefetch import Prefetch, State
from imagebank.model.uid import Uid
from imagebank.settings import load
from make import a_file, read
from running import Said, imagebank

LONG = "ward-7/[red]of the/cardiology department/" + "0123456789" * 6 + "\x1b[2J.dcm"


def narrow(*arguments: str | Path) -> Said:
    said = imagebank(*arguments, environ={"COLUMNS": "80"})
    assert max(map(len, said.out.splitlines())) <= 80
    return said


def column(text: str, number: int) -> str:
    """The cells of one column, one after the other, without spaces."""
    rows = [line.split("│") for line in text.splitlines() if line.startswith("│")]
    return re.sub(r"\s", "", "".join(row[number + 1] for row in rows))


def test_no_name_is_cut_and_none_commands_the_terminal(tmp_path: Path) -> None:
    data, file = tmp_path / "bank", a_file()
    path = tmp_path / LONG
    path.parent.mkdir(parents=True)
    path.write_bytes(a_file(SOPInstanceUID=str(read(file).SOPInstanceUID)))
    (tmp_path / "first.dcm").write_bytes(file)
    imagebank("import", tmp_path / "first.dcm", "--data", data)
    imported = narrow("import", path, "--data", data)
    listed = narrow("quarantine", "list", "--data", data)

    shown = re.sub(r"\s", "", str(path).replace("\x1b", "\ufffd"))
    assert column(listed.out, 3) == shown
    assert shown in column(imported.out, 2)
    assert "--json" in imported.out
    assert "imagebank quarantine list" in imported.out


def test_moments_are_shown_to_the_second_and_with_their_zone(tmp_path: Path) -> None:
    imagebank("token", "create", "--role", "admin", "--name", "a", "--data", tmp_path / "bank")
    said = narrow("token", "list", "--data", tmp_path / "bank")

    assert re.search(r"\d{4}-\d\d-\d\d\d\d:\d\d:\d\dUTC$", column(said.out, 3))
    assert '+00:00"' in imagebank("token", "list", "--json", "--data", tmp_path / "bank").out


def test_words_that_no_table_knows_and_priors_that_were_made_ready_are_listed(tmp_path: Path) -> None:
    data = tmp_path / "bank"
    for number in range(3):
        about = {"PatientID": f"P{number}", "StudyInstanceUID": f"1.2.{number}", "StudyDescription": "CT jennyscan"}
        (tmp_path / f"{number}.dcm").write_bytes(a_file(**about))
    imagebank("import", tmp_path, "--data", data)
    with opened(load(environ={}, data=data)) as bank:
        for number in range(3):
            finding.write(bank, Uid(f"1.2.{number}"))
        with bank.index.begin() as tx:
            tx.prefetches.put(Prefetch("READ1", Uid("1.2.1"), State.DONE, bank.now(), 3, 9))
    unknown, ready = imagebank("exams", "unknown", "--data", data), imagebank("prefetch", "list", "--data", data)
    wrong = [
        imagebank(*words, "--limit", "0", "--data", data) for words in (("exams", "unknown"), ("prefetch", "list"))
    ]

    assert "jennyscan" in unknown.out
    assert "READ1" in ready.out
    assert [one.status for one in wrong] == [2, 2]


def test_other_archives_and_what_is_fetched_from_them_are_listed(tmp_path: Path) -> None:
    data, listed = tmp_path / "bank", tmp_path / "archives.toml"
    listed.write_text(
        "[[archive]]\nname = 'Abbey'\norganization = 'a'\nissuer = 'b'\nurl = 'https://a.example/web'\n", "utf-8"
    )
    with opened(load(environ={}, data=data)) as bank, bank.index.begin() as tx:
        who = (PatientId("b", "1"), "kim", Role.CLINICIAN, "local", bank.now())
        tx.elsewhere.put(Recall("Abbey", Uid("1.2.1"), *who))
    known = imagebank("archive", "list", "--data", data, environ={"IMAGEBANK_ARCHIVES_FILE": str(listed)})
    fetched = imagebank("archive", "fetches", "--json", "--data", data)

    assert "https://a.example/web" in column(known.out, 3)
    assert ('"kim"' in fetched.out, '"1.2.1"' in fetched.out) == (True, True)
    assert imagebank("archive", "fetches", "--limit", "0", "--data", data).status == 2
