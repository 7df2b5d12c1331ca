"""`imagebank propose`: a dry run over files."""

import json
from pathlib import Path

from running import imagebank
from samples import sample_data


def test_what_would_be_proposed_is_shown_with_its_reasons(tmp_path: Path) -> None:
    bank = tmp_path / "bank"
    (tmp_path / "Augenklinik").mkdir()
    photo = tmp_path / "Augenklinik" / "4711_2026-03-01_OD.jpg"
    photo.write_bytes((sample_data() / "non-dicom" / "jpeg" / "fundus-retina.jpg").read_bytes())
    assert imagebank("import", photo, "--data", bank).status == 0
    shown = imagebank("propose", photo, "--data", bank)
    told = imagebank("propose", photo, "--data", bank, "--json", "--order", "17")

    assert shown.status == 0
    assert "■■■■□ 0.80" in shown.out
    assert "4711_2026-03-01_OD" in shown.out
    rows = {row["field"]: row for row in json.loads(told.out)}
    assert (rows["laterality"]["value"], rows["laterality"]["becomes"]) == ("R", "proposed")
    assert (rows["department"]["source"], rows["department"]["evidence"]) == ("folder", "folder: Augenklinik")
    assert "there is no order 17 here yet" in told.err


def test_what_is_typed_wrong_is_told(tmp_path: Path) -> None:
    wrong = tmp_path / "own.toml"
    wrong.write_text("[[words]]\nfield = 'hat'\n")
    config = tmp_path / "imagebank.toml"
    config.write_text(f"proposals_file = '{wrong}'\n")
    photo = tmp_path / "x.jpg"
    photo.write_bytes(b"nothing")

    assert imagebank("propose", "--data", tmp_path / "bank").status == 2
    assert imagebank("propose", photo, "--sex", "hat", "--data", tmp_path / "bank").status == 2
    said = imagebank("import", photo, "--data", tmp_path / "bank", "--config", config)
    assert said.status == 2
    assert "own.toml, line 2: 'field' is one of" in said.err


def test_nothing_is_proposed_for_what_is_dicom_or_nothing(tmp_path: Path) -> None:
    bank, nothing = tmp_path / "bank", tmp_path / "x.bin"
    nothing.write_bytes(b"nothing that anybody knows")
    imagebank("import", nothing, "--data", bank)
    said = imagebank("propose", nothing, "--data", bank)

    assert (said.status, "nothing is proposed" in said.err) == (1, True)
