"""Which SOP classes are kept."""

import pytest
from pynetdicom import AllStoragePresentationContexts

from imagebank.dicom.sop_class import OF_NO_STUDY, RETIRED, STORAGE, is_storage, refusal_of


def test_every_storage_class_that_pynetdicom_knows_is_kept() -> None:
    assert {str(context.abstract_syntax) for context in AllStoragePresentationContexts} <= STORAGE


def test_retired_and_trial_classes_are_kept() -> None:
    ultrasound, waveform_trial = "1.2.840.10008.5.1.4.1.1.6", "1.2.840.10008.5.1.4.1.1.9.1"
    beams_trial, hardcopy = "1.2.840.10008.5.1.4.34.1", "1.2.840.10008.5.1.1.29"

    assert {ultrasound, waveform_trial, beams_trial, hardcopy} <= RETIRED
    assert all(is_storage(uid, private=False) for uid in RETIRED)


def test_objects_that_belong_to_no_study_are_refused_by_name() -> None:
    hanging_protocol, palette, inventory = (f"1.2.840.10008.5.1.4.{tail}" for tail in ("38.1", "39.1", "1.1.201.1"))

    assert {hanging_protocol, palette, inventory} <= OF_NO_STUDY
    assert not any(is_storage(uid, private=True) for uid in OF_NO_STUDY)
    assert "Hanging Protocol Storage: such objects belong to no study" in str(
        refusal_of(hanging_protocol, private=True)
    )


def test_classes_that_nobody_knows_are_kept_by_setting_only() -> None:
    assert refusal_of("1.2.3.4", private=True) is None
    assert "private_sop_classes is off" in str(refusal_of("1.2.3.4", private=False))


@pytest.mark.parametrize(
    "uid",
    [
        "1.2.840.10008.5.1.4.31",
        "1.2.840.10008.5.1.1.9",
        "1.2.840.10008.1.20.1",
        "1.2.840.10008.1.20.2",
        "1.2.840.10008.1.1",
    ],
)
def test_known_classes_that_store_nothing_are_never_kept(uid: str) -> None:
    assert "no storage SOP class" in str(refusal_of(uid, private=True))
