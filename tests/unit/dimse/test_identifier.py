"""Identifiers of queries and retrievals."""

import pytest

from imagebank.dicom.keys import text_element
from imagebank.dimse.contexts import PATIENT_FIND, PATIENT_GET, STUDY_FIND, STUDY_MOVE
from imagebank.dimse.identifier import SUPPORTED_FIND_OPTIONS, answer, negotiated, question, target
from imagebank.errors import Invalid, Mismatch
from imagebank.model.attribute import Attribute, Level, catalogue
from imagebank.model.imaging import DataSet, Element, Found
from imagebank.model.query import Like, OneOf

CATALOGUE = catalogue()


def asked(level: str, **elements: Element) -> DataSet:
    return {"00080052": text_element("CS", level)} | {key.lstrip("_"): element for key, element in elements.items()}


def test_keys_become_conditions_and_empty_ones_match_everything() -> None:
    name, date = {"vr": "PN", "Value": [{"Alphabetic": "Do*"}]}, {"vr": "DA"}
    found = question(CATALOGUE, STUDY_FIND, asked("STUDY", _00100010=name, _00080020=date), b"")

    assert found.query.level is Level.STUDY
    assert [condition.match for condition in found.query.conditions] == [Like("do*")]
    assert found.is_supported


def test_a_list_of_uids_matches_any_of_them() -> None:
    uids = text_element("UI", "1.2", "1.3")

    found = question(CATALOGUE, STUDY_FIND, asked("STUDY", _0020000D=uids), b"")
    assert found.query.conditions[0].match == OneOf(("1.2", "1.3"))


@pytest.mark.parametrize(
    ("root", "identifier"),
    [
        (STUDY_FIND, {}),
        (STUDY_FIND, asked("FRAME")),
        (STUDY_FIND, asked("PATIENT")),
        (STUDY_FIND, asked("SERIES")),
        (STUDY_FIND, asked("SERIES", _0020000D=text_element("UI", "1.2", "1.3"))),
        (PATIENT_FIND, asked("STUDY", _00100020=text_element("LO", "P*"))),
    ],
)
def test_an_identifier_that_does_not_fit_its_model_is_a_mismatch(root: str, identifier: DataSet) -> None:
    with pytest.raises(Mismatch):
        question(CATALOGUE, root, identifier, b"")


def test_keys_of_a_level_below_are_not_supported() -> None:
    found = question(CATALOGUE, STUDY_FIND, asked("STUDY", _00200013={"vr": "IS"}), b"")

    assert not found.is_supported


def test_a_private_key_goes_by_its_creator_and_is_answered_where_it_was_asked() -> None:
    ours = Attribute("OurNumber", (0x00091001,), "LO", Level.STUDY, creator="OURS")
    known = catalogue([ours])
    keys = {"_00090020": text_element("LO", "OURS"), "_00092001": {"vr": "UN", "InlineBinary": "WDEg"}}

    found = question(known, STUDY_FIND, asked("STUDY", **keys), b"")
    told = answer(found, Found({"00091001": text_element("LO", "X1")}), "BANK")
    foreign = question(known, STUDY_FIND, asked("STUDY", _00092001=text_element("LO", "X1")), b"")

    assert [(one.attribute, one.match) for one in found.query.conditions] == [(ours, OneOf(("X1",)))]
    assert (told["00090020"]["Value"], told["00092001"]["Value"]) == (["OURS"], ["X1"])
    assert found.is_supported
    assert not foreign.is_supported


def test_only_what_is_offered_is_negotiated() -> None:
    assert negotiated(b"\1\0\1\1\1", SUPPORTED_FIND_OPTIONS) == b"\1\0\1\0\0"
    assert negotiated(b"\1", SUPPORTED_FIND_OPTIONS) == b"\1"


def test_an_answer_holds_no_more_than_was_asked_for() -> None:
    held = Found(
        {"00100010": text_element("PN"), "00100020": text_element("LO", "P1"), "0020000D": text_element("UI", "1.2")}
    )
    found = question(CATALOGUE, STUDY_FIND, asked("STUDY", _00100020={"vr": "LO"}, _00081030={"vr": "LO"}), b"")

    dataset = answer(found, held, "BANK")
    assert set(dataset) == {"00080052", "00080054", "00080056", "00100020", "00081030", "0020000D"}
    assert dataset["00081030"] == {"vr": "LO"}


def test_a_retrieval_names_what_it_wants() -> None:
    series = text_element("UI", "1.2.1", "1.2.2")

    found = target(STUDY_MOVE, asked("SERIES", _0020000D=text_element("UI", "1.2"), _0020000E=series), b"")
    assert (found.studies, found.series, found.instances) == (("1.2",), ("1.2.1", "1.2.2"), ())


@pytest.mark.parametrize(
    ("identifier", "error"),
    [
        (asked("STUDY"), Mismatch),
        (asked("STUDY", _0020000D=text_element("UI", "no uid")), Invalid),
        (asked("SERIES", _0020000E=text_element("UI", "1.2")), Mismatch),
    ],
)
def test_a_retrieval_without_its_unique_keys_is_refused(identifier: DataSet, error: type[Exception]) -> None:
    with pytest.raises(error):
        target(STUDY_MOVE, identifier, b"")


def test_a_relational_retrieval_needs_the_key_of_its_level_only() -> None:
    identifier = asked("IMAGE", _00080018=text_element("UI", "1.9"))

    assert target(PATIENT_GET, identifier, b"\1\0").instances == ("1.9",)
