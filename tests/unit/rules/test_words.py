"""Rules told in words."""

import pytest

from imagebank.rules.words import in_words
from unit.rules.ruling import right, rule

TABLE = '[tables.t.values]\na = "b"\n'


def sentence(text: str) -> str:
    (told,) = in_words(right(text))
    return told.sentence


def test_a_rule_is_told_for_whom_when_and_what() -> None:
    text = rule(
        'action = "accept"',
        when='\n  header.Modality == "CT" &&\n  time.hour > 6\n',
        more='sources = ["CT*", "MR1"]\norganizations = ["north"]\nways = ["dimse", "stow", "api"]',
    )

    assert sentence(text) == (
        "For everything that comes from CT* or MR1 of north by dimse, stow or api "
        'when header.Modality == "CT" && time.hour > 6: take it in, and ask no further rule.'
    )


@pytest.mark.parametrize(
    ("act", "told"),
    [
        ('action = "refuse"; reason = "no"', "refuse it, because no"),
        ('action = "quarantine"; reason = "odd"', "hold it for a person, because odd"),
        ('action = "set"; tag = "StudyID"; value = "x"', "set StudyID to “x”"),
        ('action = "set"; tag = "SeriesNumber"; value = 4; only_if_empty = true', "set SeriesNumber to 4 where SeriesNumber is empty"),
        ('action = "set"; tag = "StudyID"; value = ""', "empty StudyID"),
        ('action = "set"; tag = "StudyID"; expression = "source.aet"', "set StudyID to what source.aet comes to"),
        (
            'action = "map"; tag = "StudyID"; table = "t"',
            "set StudyID to what the table t has for StudyID; where it has nothing, leave it as it is",
        ),
        (
            'action = "map"; tag = "StudyID"; expression = "source.aet"; table = "t"; otherwise = "refuse"',
            "set StudyID to what the table t has for source.aet; where it has nothing, refuse the object",
        ),
        (
            'action = "copy"; from = "StudyID"; tag = "AccessionNumber"; only_if_empty = true',
            "set AccessionNumber to the value of StudyID where AccessionNumber is empty",
        ),
        ('action = "copy"; from = "StudyID"; tag = "AccessionNumber"', "set AccessionNumber to the value of StudyID"),
        ('action = "drop"; tag = "StudyID"', "take out StudyID"),
        ('action = "drop private"', "take out private attributes"),
        ('action = "drop private"; keep = ["B", "A"]', "take out private attributes, but those of A and B"),
        ('action = "route"; to = ["READING1", "READING2"]', "send it to READING1 and READING2"),
        ('action = "tag"; label = "teaching"', "put the label “teaching” on its study"),
        ('action = "notify"; message = "it came"', "write into the ledger: it came"),
        (
            'action = "notify"; message = "it came"; to = ["a@b.example", "c@d.example"]',
            "write into the ledger: it came, and mail a@b.example and c@d.example a link to it",
        ),
        ('action = "require"; tags = "StudyID"', "hold it for a person unless it has a value for StudyID"),
        (
            'action = "require"; tags = ["StudyID", "Modality"]; otherwise = "refuse"',
            "refuse it where it lacks StudyID or Modality",
        ),
        ('action = "plug-in"; name = "eyes"', "ask the plug-in eyes"),
    ],
)  # fmt: skip
def test_every_act_has_words(act: str, told: str) -> None:
    assert sentence(TABLE + rule(act)) == f"For everything that comes: {told}."
