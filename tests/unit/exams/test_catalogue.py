"""Codes with their names out of tables that a site has."""

from pathlib import Path

import pytest

from imagebank.errors import Invalid
from imagebank.exams.catalogue import codes_in
from imagebank.exams.describing import describe
from imagebank.exams.tables import tables
from imagebank.model.exam import Contrast, Said, Side
from imagebank.model.region import Code

PLAYBOOK = (
    b"\xef\xbb\xbfLoincNumber,LongCommonName,PartTypeName,RPID,LongName\r\n"
    b'99999-1,"MR Knee - left WO and W contrast IV",Rad.Modality,RPID999,MR KNEE LT WO & W\r\n'
    b"99999-1,MR Knee,Rad.Region,,\r\n"
    b",nothing,,,\r\n"
)


def test_the_first_name_of_a_code_counts() -> None:
    assert codes_in(PLAYBOOK, "LoincNumber", "LongCommonName") == {"99999-1": "MR Knee - left WO and W contrast IV"}
    assert codes_in(PLAYBOOK, "RPID", "LongName") == {"RPID999": "MR KNEE LT WO & W"}
    assert codes_in(b"Kode;Navn\nk1;CT hode\n", "Kode", "Navn") == {"K1": "CT hode"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "no column Kode, Navn"), (b"Kode\tName\n", "no column Navn"), (b"\xff", "not in UTF-8")],
)
def test_another_table_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        codes_in(content, "Kode", "Navn")


def test_a_site_brings_in_a_table_that_it_is_licensed_for(tmp_path: Path) -> None:
    (tmp_path / "playbook.csv").write_bytes(PLAYBOOK)
    own = tmp_path / "own.toml"
    own.write_text('[[codes]]\nfile = "playbook.csv"\nscheme = "LN"\ncode = "LoincNumber"\nname = "LongCommonName"\n')
    found = describe(Said(("MR",), codes=(Code("99999-1", "LN", ""),)), tables(own))

    assert (found.regions, found.side, found.contrast) == (("KNEE",), Side.LEFT, Contrast.YES)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ('file = "none.csv"\nscheme = "LN"\ncode = "a"\nname = "b"', "cannot be read"),
        ('file = "none.csv"', "wrong at codes: it has to say file, scheme, code and name"),
    ],
)
def test_a_table_that_is_not_there_is_told(tmp_path: Path, entry: str, reason: str) -> None:
    own = tmp_path / "own.toml"
    own.write_text(f"[[codes]]\n{entry}\n")

    with pytest.raises(Invalid, match=reason):
        tables(own)
