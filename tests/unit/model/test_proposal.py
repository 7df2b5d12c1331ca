"""What may be so of a file, and how sure it is."""

import pytest

from imagebank.errors import Invalid
from imagebank.model.proposal import (
    LIKELY,
    MOST,
    OF_A_PERSON,
    SURE,
    Proposal,
    ProposalSource,
    first_choices,
    proposal,
    ranked,
)
from imagebank.model.upload import FIELDS


def a_proposal(field: str = "laterality", value: str = "R", confidence: float = 0.9) -> Proposal:
    return proposal(field, value, ProposalSource.NAME, "file name: 1_OD.jpg", confidence)


def test_a_proposal_can_be_taken_as_it_stands() -> None:
    assert a_proposal(value=" R ") == Proposal("laterality", "R", ProposalSource.NAME, "file name: 1_OD.jpg", 0.9)
    assert a_proposal(confidence=7).confidence == 1
    with pytest.raises(Invalid, match="laterality"):
        a_proposal(value="top")
    with pytest.raises(Invalid, match="no field hat"):
        a_proposal("hat")


def test_a_person_is_sure_only_from_what_somebody_said_or_named() -> None:
    assert set(FIELDS) > OF_A_PERSON
    for field, value in (("patient_id", "4711"), ("accession_number", "A1"), ("birth_date", "1980-02-03")):
        assert not proposal(field, value, ProposalSource.DOCUMENT, "Patient ID: 4711", 1).is_sure
        assert proposal(field, value, ProposalSource.SAID, "said", 1).is_sure
        assert proposal(field, value, ProposalSource.ORDER, "order 4", SURE).is_sure
        assert not proposal(field, value, ProposalSource.ORDER, "order 4", LIKELY).is_sure
        assert proposal(field, value, ProposalSource.ENCOUNTER, "visit 4", SURE).is_sure
    assert a_proposal(confidence=SURE).is_sure
    assert not a_proposal(confidence=SURE - 0.01).is_sure


def test_what_is_likely_is_at_least_as_likely_as_not() -> None:
    assert a_proposal(confidence=LIKELY).is_likely
    assert not a_proposal(confidence=LIKELY - 0.01).is_likely


def test_proposals_stand_by_field_and_the_most_confident_first() -> None:
    left, right, id_ = a_proposal(value="L", confidence=0.6), a_proposal(), a_proposal("patient_id", "4711", 0.3)

    assert ranked([left, right, id_, a_proposal(confidence=0.2)]) == (id_, right, left)
    assert len(ranked(a_proposal("description", f"number {n}") for n in range(MOST + 1))) == MOST


def test_two_that_differ_and_are_equally_confident_are_no_choice() -> None:
    left, right, id_ = a_proposal(value="L"), a_proposal(), a_proposal("patient_id", "4711", 0.3)

    assert first_choices([left, right, id_]) == {"patient_id": id_}
    assert first_choices([a_proposal(value="L", confidence=0.5), right]) == {"laterality": right}


@pytest.mark.parametrize(("confidence", "bars"), [(0, 0), (0.2, 1), (0.4, 2), (LIKELY, 3), (0.8, 4), (SURE, 5), (1, 5)])
def test_five_bars_show_how_sure_it_is(confidence: float, bars: int) -> None:
    assert a_proposal(confidence=confidence).bars == bars
