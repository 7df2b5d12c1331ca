"""A site's own file of patterns, words, labels and habits."""

from pathlib import Path
from tomllib import loads

import pytest

from imagebank.actions.reading_names import parse, reading
from imagebank.errors import Invalid
from imagebank.model.file_names import Habit, Procedure, proposals_of_name
from imagebank.settings import SettingsError

OWN = r"""
[[pattern]]
name = "ours"
expression = '(?P<order>X\d{4})_(?P<laterality>[rl])'
confidence = 1

[[pattern]]
name = "box"
place = "folder"
expression = '(?P<department>\w{1,9})'

[[words]]
field = "department"
dental = ["Box 1", "box2"]

[[letters]]
field = "laterality"
R = ["r"]

[[label]]
field = "order"
words = ["Ticket"]

[[habit]]
organization = "eye"
who = "camera"
department = "ophthalmology"
"""


def test_a_site_reads_names_in_its_own_way(tmp_path: Path) -> None:
    file = tmp_path / "proposals.toml"
    file.write_text(OWN, "utf-8")
    own = reading(file)

    found = {(one.field, one.value, one.confidence) for one in proposals_of_name(own, "box2/X0001_r.jpg")}
    assert found == {("order", "X0001", 1.0), ("laterality", "R", 1.0), ("department", "dental", 0.7)}
    assert own.labels[0].words == ("ticket",)
    assert own.habits == (Habit({"department": "ophthalmology"}, "eye", "camera", 1.0),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[hat]]\nx = 1", r"line 1: there is no \[\[hat\]\]"),
        ("\nhabit = 1", r"line 2: write each under a heading of its own: \[\[habit\]\]"),
        ("[[label]]\nfield = 'order'\nwords = ['a']\nhat = 1", r"line 4: \[\[label\]\] has no 'hat'"),
        ("[[habit]]\nhat = 'x'", r"line 2: \[\[habit\]\] has no 'hat'"),
        ("[[habit]]\nlaterality = 'L'\n[[habit]]\nlaterality = 'x'", "line 4: 'laterality': laterality is one of"),
        ("[[habit]]\npatient_id = '4711'", "line 2: 'patient_id' says whose a file is, which no rule does"),
        ("[[pattern]]\nexpression = 'x'", "line 1: 'name' is a text"),
        ("[[pattern]]\nname = 'n'\nexpression = '(?P<hat>x)'", "line 3: 'expression' of n: there is no part 'hat'"),
        ("[[pattern]]\nname = 'n'\nplace = 'top'\nexpression = 'x'", "line 3: 'place' is one of name, folder"),
        (
            "[[pattern]]\nname = 'n'\nexpression = '(?P<order>x)'\n\n# more\n[[pattern]]\nname = 'm'\nexpression = '('",
            "line 8: 'expression' of m: it is no regular expression",
        ),
        ("[[words]]\nfield = 'hat'\nx = ['y']", "line 2: 'field' is one of"),
        ("[[words]]\nfield = 'sex'\nF = ['y']\nX = ['z']", "line 4: 'X': sex is one of"),
        ("[[words]]\nfield = 'sex'\nF = ['y']\nM = ['Y']", "line 4: the word Y means two things"),
        ("[[words]]\nfield = 'sex'\nF = 'y'", "line 3: 'F' is a list of words"),
        ("[[words]]\nfield = 'sex'\nconfidence = 2\nF = ['y']", "line 3: 'confidence' is a number from 0 to 1"),
        ("[[words]]\nfield = 'sex'\nconfidence = true\nF = ['y']", "line 3: 'confidence' is a number from 0 to 1"),
        ("[[label]]\nfield = 'sex'\nwords = []", "line 3: 'words' is a list of words"),
        ("[[label]]\nfield = 'sex'\nwords = ['x']\n" * 201, r"line 601: there are more than 200 of \[\[label\]\]"),
    ],
)
def test_what_is_wrong_in_it_is_said_with_line_and_reason(text: str, reason: str) -> None:
    with pytest.raises(Invalid, match=f"^{reason}"):
        parse(loads(text), text)


def test_a_procedure_says_what_is_taken_for_it() -> None:
    text = "[[procedure]]\ncode = 'FUN'\nbody_part = 'RETINA'"
    assert parse(loads(text), text).procedures == (Procedure("FUN", {"body_part": "RETINA"}),)

    for wrong, reason in (
        ("body_part = 'RETINA'", "line 1: 'code' is a text"),
        ("code = 'F'\nsex = 'F'", "line 3: 'sex' says whose"),
    ):
        with pytest.raises(Invalid, match=reason):
            parse(loads(f"[[procedure]]\n{wrong}"), f"[[procedure]]\n{wrong}")


def test_what_is_wrong_in_a_file_is_said_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text("[[hat]]", "utf-8")
    with pytest.raises(Invalid, match=r"own.toml, line 1: there is no"):
        reading(file)
    file.with_name("broken.toml").write_text("[[", "utf-8")
    with pytest.raises(SettingsError, match=r"broken.toml"):
        reading(file.with_name("broken.toml"))
