"""Why an earlier exam is worth comparing, in words."""

import pytest

from imagebank.exams.telling import reasons
from imagebank.model.exam import Factor


@pytest.mark.parametrize(
    ("name", "ours", "theirs", "words"),
    [
        ("region", "HEAD", "HEAD", ["same region"]),
        ("region", "CHEST", "ABDOMEN;CHEST", ["region: abdomen, chest"]),
        ("region", "HEAD", "", ["region not said"]),
        ("modality", "CT", "CT", ["same modality"]),
        ("modality", "CT", "MR", ["other modality: MR"]),
        ("side", "", "", []),
        ("side", "L", "L", ["same side"]),
        ("side", "L", "B", ["both sides"]),
        ("side", "L", "", ["side not said"]),
        ("side", "L", "R", ["other side"]),
        ("contrast", "yes", "unknown", []),
        ("contrast", "yes", "yes", ["same contrast"]),
        ("contrast", "no", "yes", ["with contrast"]),
        ("contrast", "yes", "no", ["without contrast"]),
        ("kind", "", "", []),
        ("kind", "", "angiography", ["other kind of exam: angiography"]),
        ("kind", "angiography", "", ["other kind of exam"]),
        ("age", "", "0", ["same day"]),
        ("age", "", "1", ["1 day older"]),
        ("age", "", "14", ["14 days older"]),
        ("age", "", "1100", ["3 years older"]),
        ("age", "", "", ["date not said"]),
        ("organization", "B", "A", ["other organization: A"]),
        ("organization", "A", "A", []),
        ("organization", "", "A", []),
    ],
)
def test_each_factor_is_told_in_words(name: str, ours: str, theirs: str, words: list[str]) -> None:
    told = reasons([Factor(name, 1.0, ours, theirs)])

    assert [str(one) for one in told] == words
