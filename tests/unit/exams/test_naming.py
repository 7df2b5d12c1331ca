"""What exams are called: every word of the built-in tables has a name that can be translated."""

import tomllib
from importlib.resources import files

from imagebank.exams import naming
from imagebank.exams.overriding import overrides
from imagebank.model.exam import Exam, Group, Side

TABLES = {
    name: (files("imagebank.exams") / f"{name}.toml").read_text("utf-8")
    for name in ("regions", "names", "reasons", "words", "shorthand")
}


def test_every_region_group_kind_and_reason_of_the_built_in_tables_has_a_name() -> None:
    words = [one for name, table in TABLES.items() if name != "regions" for one in tomllib.loads(table)["word"]]
    kinds = {one.get("kind", "") for one in words}

    assert {*naming.REGIONS} == {*tomllib.loads(TABLES["regions"])["region"]}
    assert {*naming.GROUPS} == {*Group}
    assert kinds - {""} == {*naming.KINDS}
    assert tuple(one.display for one in overrides(None).reason) == naming.OVERRIDES


def test_an_exam_is_called_by_group_parts_and_side() -> None:
    sides = (Side.RIGHT, Side.LEFT, Side.BOTH, Side.UNSAID)

    assert [str(naming.exam(Exam(Group.XR, ("KNEE",), side))) for side in sides] == [
        "XR knee right",
        "XR knee left",
        "XR knee both sides",
        "XR knee",
    ]
    assert str(naming.exam(Exam(Group.CT, ("ABDOMEN", "PELVIS", "OWNPART")))) == "CT abdomen, pelvis, ownpart"
    assert str(naming.exam(Exam(Group.CT, ("ABDOMEN", "PELVIS"), Side.LEFT), 1)) == "CT abdomen, … left"
    assert str(naming.exam(Exam(Group.OPH))) == "eye imaging"
    assert (str(naming.group("ELSE")), str(naming.kind("own kind"))) == ("ELSE", "own kind")
