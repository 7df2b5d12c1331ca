"""What a study may be, and what a decision about it changes, without a bank."""

from datetime import UTC, datetime

import pytest

from imagebank.actions.guesses import changes, guesses, region_words
from imagebank.errors import Invalid
from imagebank.model.candidate import Guess
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId, PersonName

CAME = datetime(2026, 10, 30, 10, 44, tzinfo=UTC)
NEW = Identity(PatientId("north", "N-1"))


def test_what_is_no_day_is_none_that_was_put_there() -> None:
    odd = {"00080020": {"vr": "DA", "Value": ["2026xx30"]}}
    (taken, *_) = guesses(odd, [()], CAME)

    assert guesses({}, [()], CAME)[0] == Guess("taken_at", "")
    assert (taken.is_said, taken.held) == (True, "2026-xx-30T00:00")


def test_what_a_record_does_not_have_stays_as_the_object_has_it() -> None:
    assert set(changes({}, NEW, "", {}, 1)) == {"PatientID", "IssuerOfPatientID"}
    named = changes({}, Identity(NEW.patient, PersonName("", "山田^", "")), "A1", {}, 1)
    assert named["PatientName"] == {"vr": "PN", "Value": [{"Ideographic": "山田^"}]}
    assert "AccessionNumber" not in changes({"00080050": {"vr": "SH", "Value": ["A0"]}}, NEW, "A1", {}, 1)
    assert named["AccessionNumber"] == {"vr": "SH", "Value": ["A1"]}


def test_a_value_that_is_none_is_refused() -> None:
    with pytest.raises(Invalid, match="body part"):
        changes({}, NEW, "", {"body_part": "NOSUCH"}, 1)


def test_parts_of_the_body_stand_in_the_order_of_their_names() -> None:
    assert next(iter(region_words().items())) == ("ABDOMEN", "Abdomen")
