"""A site's own words and codes of exams."""

from pathlib import Path

import pytest

from imagebank.errors import Invalid
from imagebank.exams.describing import describe
from imagebank.exams.tables import Tables, tables
from imagebank.model.exam import Exam, Group, Said
from imagebank.model.region import Code

OWN = """
no_word = ["torso"]

[written]
"k/o" = "knee"

[modality]
CT = ["XCT"]

[implied]
PHOTO = "SKIN"

[region.MEDIASTINUM]
within = ["CHEST"]
replaces = ["CHEST"]

[code.99OURS]
K7 = "MR knee right"
"100-102" = "XR hand"

[[word]]
regions = ["MEDIASTINUM"]
words = ["Mediastinum", "mittelfell", "--"]

[[word]]
regions = ["LIVER"]
groups = ["US"]
de = ["Zwörgel"]
"""


def own_tables(folder: Path, text: str) -> Tables:
    file = folder / "own.toml"
    file.write_text(text, "utf-8")
    return tables(file)


def test_a_site_has_words_and_codes_of_its_own(tmp_path: Path) -> None:
    own = own_tables(tmp_path, OWN)

    def exam(modality: str, text: str = "", code: str = "") -> Exam:
        codes = (Code(code, "99ours", ""),) if code else ()
        return describe(Said((modality,), (text,), codes=codes), own)

    assert exam("XCT", "CT chest mediastinum").regions == ("MEDIASTINUM",)
    assert exam("CT", "k/o").regions == ("KNEE",)
    assert exam("CT", "torso").regions == ()
    assert exam("US", "ZWOERGEL").regions == ("LIVER",)
    assert exam("MR", "Zwörgel").regions == ()
    assert exam("XC").regions == ("SKIN",)
    assert (exam("MR", code="K7").regions, exam("MR", code="K7").side) == (("KNEE",), "R")
    assert exam("DX", code="101").regions == ("HAND",)
    assert exam("XCT", "CT HEAD WO").group is Group.CT


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[hat]\nx = 1", "wrong at hat: there is no such heading"),
        ("x", "cannot be read"),
        ("[region.HAT]\nsize = 1", "wrong at HAT: a region has no size"),
        ("[region.HAT]\nwithin = ['HEADS']", "wrong at HAT: HEADS is none of"),
        ("[modality]\nHAT = ['X']", "wrong at modality: HAT is none of CT, MR"),
        ("[implied]\nCT = 'HAT'", "wrong at implied: HAT is none of"),
        ("[[word]]\nregions = ['HAT']\nwords = ['x']", "entry 1 of word is wrong at regions: HAT is none of"),
        ("[[word]]\nregions = ['HEAD']", "wrong at words: it has to have words"),
        ("[[word]]\nhat = 1\nwords = ['x']", "wrong at hat: there is no such key"),
        ("[[word]]\nwords = 'x'", "wrong at words: it has to be a list of words"),
        ("[[word]]\nwords = ['']", "wrong at words: it has to be a list of words"),
        ("[[word]]\nwords = ['x']\ngroups = ['HAT']", "wrong at groups: HAT is none of"),
        ("[[word]]\nwords = ['x']\nside = 'X'", "wrong at side: X is none of R, L, B"),
        ("[[word]]\nwords = ['x']\nrole = 'hat'", "wrong at role: hat is none of reason"),
    ],
)
def test_what_is_wrong_in_a_file_is_told(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(Invalid, match=r"own\.toml.*" + reason):
        own_tables(tmp_path, text)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="cannot be read"):
        tables(tmp_path / "none.toml")


def test_one_region_lies_in_another_over_several_steps() -> None:
    assert tables().holds("HEAD", "EYE")
    assert not tables().holds("EYE", "HEAD")
    assert not tables().holds("HEAD", "KNEE")
