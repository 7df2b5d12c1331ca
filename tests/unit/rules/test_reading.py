"""Rules are typed and checked when they are read: each fault with its line and its reason."""

import pytest

from imagebank.model.rules import Decision, Text
from imagebank.rules.reading import MAX_TABLE, MAX_TEXT, Surroundings, read, table_files
from imagebank.rules.steps import Call, Decide, Lookup, Route
from unit.rules.ruling import faults, right, rule

ACCEPT = 'action = "accept"'


def test_a_text_with_everything_is_read() -> None:
    found = right(
        'timezone = "Europe/Dublin"\n[tables.departments]\nfile = "dep.csv"\n'
        + rule(
            'action = "set"; tag = "IssuerOfPatientID"; value = "NORTH"; only_if_empty = true',
            'action = "set"; tag = "SeriesNumber"; expression = "header.SeriesNumber + 100"',
            'action = "map"; tag = "InstitutionalDepartmentName"; expression = "source.aet"; table = "departments"',
            'action = "copy"; from = "StudyID"; tag = "AccessionNumber"; only_if_empty = true',
            'action = "drop"; tag = "OtherPatientIDs"',
            'action = "drop private"; keep = ["ACME 1.1"]',
            'action = "route"; to = ["READING1", "READING2"]',
            'action = "tag"; label = "teaching"',
            'action = "notify"; message = "a new one"',
            'action = "plug-in"; name = "eyes"; options = { side = "left" }',
            'action = "require"; tags = ["AccessionNumber", "PatientID"]; otherwise = "refuse"; reason = "too little"',
            when='header.Modality == "CT" && time.hour > 6',
            more='sources = ["CT*"]\norganizations = ["north"]\nways = ["dimse"]',
        )
        + rule('action = "quarantine"; reason = "not ours"', name="Q"),
        dep="CT1,Radiology\n\nCT2,Emergency\n",
    )

    (first, second) = found.rules
    assert (first.name, first.line, first.sources, first.ways) == ("R", 4, ("CT*",), ("dimse",))
    assert len(first.steps) == 11
    (lookup,) = (step for step in first.steps if isinstance(step, Lookup))
    assert lookup.entries == {"CT1": "Radiology", "CT2": "Emergency"}
    (route,) = (step for step in first.steps if isinstance(step, Route))
    assert route.devices == ("READING1", "READING2")
    assert second.steps == (Decide(Decision.QUARANTINE, "not ours"),)
    assert found.calls
    assert not right(rule(ACCEPT)).calls
    assert any(isinstance(step, Call) for step in first.steps)
    assert str(found.zone) == "Europe/Dublin"


def test_no_rules_are_right_too() -> None:
    assert right("").rules == ()
    assert right("# nothing yet\n").rules == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[rule]\n", "line 1: this is not TOML: Expected ']]' at the end of an array declaration"),
        ("x" * (MAX_TEXT + 1), f"the text has more than {MAX_TEXT} characters"),
        ("rules = 1\n", "line 1: there is no rules here; did you mean rule?"),
        ("zebra = 1\n", "line 1: there is no zebra here; there is rule, tables, timezone"),
        ('timezone = "Mars"\n', "line 1: no time zone is called Mars"),
        ("timezone = '../x'\n", "line 1: no time zone is called ../x"),
        ("rule = 5\n", "line 1: write each rule under a line [[rule]]"),
        ("[[rule]]\n" * 501, "there are more than 500 rules"),
        ("tables = 5\n", "line 1: write each table under a line [tables.NAME]"),
        (rule(ACCEPT, more="wen = 'true'"), "line 3: there is no wen here; did you mean when?"),
        (
            rule(ACCEPT, name=""),
            'line 2: a rule has a name of at most 100 characters, such as name = "Refuse phantoms"',
        ),
        ('[[rule]]\nname = "A"\n', "line 1: a rule does something: write each act under a line [[rule.do]]"),
        (rule(ACCEPT, more="ways = ['fax']"), "line 3: there is no way fax; there is dimse, stow, api, upload, import"),
        (rule(ACCEPT, more="sources = 'CT1'"), 'line 3: sources is a list of texts, such as ["EYE-CAM-*"]'),
        (rule(ACCEPT, ACCEPT), "line 5: this is never reached: the act before it decides"),
        (
            rule(ACCEPT) + rule(ACCEPT, name="B"),
            "line 5: this rule is never reached: R before it decides about everything",
        ),
        (
            rule(ACCEPT, when=" true ") + rule(ACCEPT, name="B"),
            "line 6: this rule is never reached: R before it decides about everything",
        ),
        (
            rule(ACCEPT, when="file.name == 'a'") + rule(ACCEPT),
            "line 7: another rule is called R, too",
        ),
        (
            "[[rule]]\nname = 'A'\nwhen = 5\n[[rule.do]]\naction = 'accept'\n",
            "line 3: when is a text with an expression",
        ),
        (rule(ACCEPT, when="header.Modality"), "line 3: it has to come to true or false, and comes to a text"),
        (rule(ACCEPT, when="[1]"), "line 3: it has to come to true or false, and comes to a list"),
        (rule(ACCEPT, when="{'a': 1}"), "line 3: it has to come to true or false, and comes to map"),
        (
            rule(ACCEPT, when="\ntrue &&\n  header.Modalty == 'CT'\n"),
            "line 5: the standard knows no attribute Modalty; did you mean Modality?",
        ),
        (
            rule(ACCEPT, when="true &&\n header.Rows == 'x'"),
            "line 4: found no matching overload for '_==_' applied to '(int, string)'",
        ),
        (
            rule(ACCEPT, when="source.aat == 'x'"),
            "line 3: there is no source.aat; there is file.name, person.birth_date",
        ),
        (rule(ACCEPT, when="header.SliceThickness > 3"), "write whole numbers as 3.0 beside decimal ones"),
        (rule(ACCEPT, when="header == 1"), 'write header.Keyword or header["tag"], and has(header.Keyword)'),
        (rule(ACCEPT, when='header["0019xx10@ACME"].nope()'), "line 3: undeclared reference to 'nope'"),
        (rule(ACCEPT, when="header.PixelData == 1"), "line 3: PixelData holds bytes, which rules cannot read"),
        (
            rule(ACCEPT, when="header.Modality.matches('(a')"),
            "line 3: the regular expression '(a' is not one that runs",
        ),
        (rule(ACCEPT, when="(" * 60 + "true" + ")" * 60), "line 3: it is nested too deeply"),
        (rule(ACCEPT, when="true" + " || true" * 600), "line 3: an expression has at most 4000 characters"),
        (rule('action = "acept"'), "line 4: there is no action acept; did you mean accept?"),
        (rule('action = "explode"'), "line 4: there is no action explode; there is accept, refuse, quarantine"),
        (rule("tag = 'PatientID'"), "line 3: there is no action None; there is accept"),
        (rule('action = "accept"; reason = "x"'), "line 5: accept knows no reason; there is nothing"),
        (rule('action = "refuse"; raeson = "x"'), "line 5: refuse knows no raeson; did you mean reason?"),
        (rule('action = "refuse"'), 'line 3: refuse needs reason = "it is a phantom", of at most 200 characters'),
        (rule('action = "refuse"; reason = "a\\u0007b"'), "line 5: reason has signs that cannot be shown"),
        (rule('action = "set"; value = "x"'), 'line 3: name an attribute: tag = "AccessionNumber"'),
        (
            rule('action = "set"; tag = "PatientId"; value = "x"'),
            "line 5: the standard knows no attribute PatientId; did you",
        ),
        (
            rule('action = "set"; tag = "StudyInstanceUID"; value = "1"'),
            "line 5: StudyInstanceUID (0020,000D) cannot be changed",
        ),
        (rule('action = "set"; tag = "Rows"; value = 5'), "line 5: Rows (0028,0010) cannot be changed"),
        (rule('action = "set"; tag = "0019xx10@ACME"; value = "x"'), "line 5: 0019xx10@ACME is read only"),
        (
            rule('action = "set"; tag = "RequestAttributesSequence"; value = "x"'),
            "RequestAttributesSequence is read only",
        ),
        (
            rule('action = "set"; tag = "StudyDate"; value = "31.1.2026"'),
            "line 6: what is given for StudyDate (0008,0020) cannot stand there: a day is written as YYYYMMDD",
        ),
        (rule('action = "set"; tag = "Modality"; value = "ct"'), "cannot stand there: a code has 16 capital letters"),
        (
            rule('action = "set"; tag = "SeriesNumber"; value = "one"'),
            "line 6: SeriesNumber takes numbers, as its VR is IS",
        ),
        (
            rule('action = "set"; tag = "SeriesNumber"; value = 9999999999'),
            "SeriesNumber takes numbers from -2147483648",
        ),
        (rule('action = "set"; tag = "StudyID"; value = ["a", "b"]'), "line 6: StudyID has one value only"),
        (rule('action = "set"; tag = "StudyID"; value = true'), "line 6: the value of StudyID is a text or a number"),
        (rule('action = "set"; tag = "StudyID"'), "line 3: set needs a value or an expression, and not both"),
        (
            rule('action = "set"; tag = "StudyID"; expression = "header.Rows"'),
            "line 6: it has to come to a text, and comes to a whole number",
        ),
        (
            rule('action = "set"; tag = "SeriesNumber"; expression = "header.StudyID"'),
            "line 6: it has to come to a number, and comes to a text",
        ),
        (
            rule('action = "set"; tag = "StudyID"; value = "x"; only_if_empty = 1'),
            "line 7: only_if_empty is true or false",
        ),
        (rule('action = "set"; tag = "StudyID"; expression = 5'), "line 6: expression is a text with an expression"),
        (
            rule('action = "map"; tag = "StudyID"; table = "t"'),
            "line 6: there is no table t; write one under [tables.t]",
        ),
        (
            '[tables.t.values]\na = "b"\n'
            + rule('action = "map"; tag = "StudyID"; table = "t"; from = "Modality"; expression = "\'a\'"'),
            "line 9: map looks up an attribute or an expression, and not both",
        ),
        (
            '[tables.t.values]\na = "bad modality"\n' + rule('action = "map"; tag = "Modality"; table = "t"'),
            "line 8: what is given for Modality (0008,0060) cannot stand there",
        ),
        (
            '[tables.t.values]\na = "b"\n'
            + rule('action = "map"; tag = "StudyID"; table = "t"; otherwise = "quarantin"'),
            "line 9: there is no outcome “quarantin”; did you mean “quarantine”?",
        ),
        (
            '[tables.t.values]\na = "b"\n' + rule('action = "map"; tag = "StudyID"; table = "t"; otherwise = "zzz"'),
            "line 9: there is no outcome “zzz”; There is “keep”, “empty”, “quarantine”, “refuse”",
        ),
        (
            rule('action = "copy"; tag = "StudyID"; from = "Rows"'),
            "line 6: Rows (US) has values that StudyID (SH) has not",
        ),
        (
            rule('action = "copy"; tag = "StudyID"; from = "ImageType"'),
            "ImageType (CS) has values that StudyID (SH) has not",
        ),
        (
            rule('action = "route"; to = "READING9"'),
            "line 5: no device is registered as READING9; did you mean READING",
        ),
        (
            rule('action = "route"; to = "X"'),
            "line 5: no device is registered as X; `imagebank device add` registers one",
        ),
        (rule('action = "route"; to = []'), 'line 5: route needs to = ["READING1"]'),
        (rule('action = "tag"; label = "Teaching!"'), "line 5: a label is a word or two in small letters"),
        (
            rule('action = "notify"; message = "it came"; to = "reading room"'),
            "line 6: this is no mail address; one looks like ada@example.org",
        ),
        (rule('action = "plug-in"; name = "nose"'), "line 5: no plug-in is installed as nose; there is eyes"),
        (rule('action = "plug-in"; name = "eyes"; options = 5'), "line 6: options is a table"),
        (
            rule('action = "require"; tags = ["AccessionNo"]'),
            "line 5: the standard knows no attribute AccessionNo; did you",
        ),
    ],
    ids=lambda text: text[:40],
)
def test_what_is_wrong_is_told_with_its_line(text: str, told: str) -> None:
    found = faults(text)

    assert told in found[0]


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ("t = 5", "write file"),
        ('t = { file = "../x.csv" }', "lies beside the rules"),
        ('t = { file = ".csv" }', "lies beside the rules"),
        ('t = { file = "gone.csv" }', "there is no file gone.csv beside the rules"),
        ('t = { file = "long.csv" }', "more than"),
        ('t = { file = "wide.csv" }', "line 2 of wide.csv has not two columns"),
        ('t = { file = "twice.csv" }', "line 2 of twice.csv has the key 'a' again"),
        ('t = { file = "odd.csv" }', "odd.csv is not CSV"),
        ("t = { values = { a = 5 } }", "its values are texts"),
    ],
)
def test_what_is_wrong_with_a_table_is_told(tables: str, told: str) -> None:
    files = {"long": "x" * (MAX_TABLE + 1), "wide": "a,b\na,b,c\n", "twice": "a,b\na,c\n", "odd": '"a'}

    (found,) = faults(f"[tables]\n{tables}\n", **files)

    assert found.startswith("table t: ") or ": table t: " in found
    assert told in found


def test_faults_are_told_all_at_once_up_to_a_bound() -> None:
    assert len(faults(rule('action = "acept"', 'action = "refuse"', when="header.Nope == 1"))) == 3
    assert len(faults(rule(*['action = "x"'] * 90))) == 50


def test_acts_may_stand_in_one_line() -> None:
    text = '[[rule]]\nname = "A"\ndo = [{ action = "acept" }]\n'

    assert faults(text) == ["line 3: there is no action acept; did you mean accept?"]
    assert right(text.replace("acept", "accept")).rules[0].steps == (Decide(Decision.ACCEPT, ""),)
    assert faults('rule = ["a"]\n') == ["line 1: write each rule under a line [[rule]]"]


def test_devices_and_plug_ins_are_not_looked_at_where_nobody_says_which_there_are() -> None:
    text = rule('action = "route"; to = "GONE"', 'action = "plug-in"; name = "gone"')

    assert read(Text(text), Surroundings()).faults == []


def test_the_files_of_tables_are_known_before_the_rules_are_read() -> None:
    text = '[tables.a]\nfile = "b.csv"\n[tables.b]\nfile = "../c.csv"\n[tables.c]\nvalues = {}\n[tables.d]\nfile = 5\n'

    assert table_files(text) == ["b.csv"]
    assert table_files("tables = 5") == []
    assert table_files("[[") == []
