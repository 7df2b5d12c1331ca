"""What headers and dose reports say of radiation, each irradiation once and in the units that are promised."""

from typing import Any

import pytest
from pydicom import Dataset

from imagebank.dicom.dose_report import nuclide_of, number
from imagebank.dicom.doses import Gathered
from imagebank.model.dose import Basis, Quantity, Reading
from make import a_dataset
from make_dose import (
    TRACER,
    a_code,
    a_concept,
    a_ct_report,
    a_number,
    a_report,
    an_event,
    an_item,
    an_xray_report,
)


def read(*datasets: Dataset) -> tuple[Reading, ...]:
    gathered = Gathered()
    gathered.take([one.to_json_dict(suppress_invalid_tags=True) for one in datasets])
    return gathered.readings()


def values(*datasets: Dataset) -> dict[str, float]:
    return {f"{one.quantity.name} {one.of}".strip(): round(one.value, 4) for one in read(*datasets)}


def an_image(modality: str, **given: Any) -> Dataset:
    return a_dataset(Modality=modality, **given)


def test_a_ct_report_tells_its_total_and_its_largest_ctdi() -> None:
    report = a_ct_report(412.5, "1.2.1", "1.2.2", ctdi=11.2)
    found = read(report)

    assert {one.quantity: one.value for one in found} == {Quantity.DLP: 412.5, Quantity.CTDI: 11.2}
    assert {one.basis for one in found} == {Basis.REPORT}
    assert {(one.instance, one.events) for one in found} == {(report.SOPInstanceUID, ("1.2.1", "1.2.2"))}
    assert found[0].unit == "mGy·cm"


def test_planes_of_an_x_ray_device_are_added_up_in_our_units() -> None:
    assert values(an_xray_report(("0.0005", "0.1"), ("0.00025", "0.05"))) == {"DAP": 7.5, "KERMA": 150}


def test_each_breast_is_told_apart_by_codes_or_words() -> None:
    def glandular(value: float, *side: Dataset) -> Dataset:
        return a_number("111637", "Accumulated Average Glandular Dose", value, "mGy", *side)

    right = a_concept("272741003", "Laterality", "73056007", "Right breast")
    left = a_concept("272741003", "Laterality", "X", "Left breast")
    both = a_concept("272741003", "Laterality", "X", "Both breasts")
    other = a_concept("1", "Other", "X", "Something else")
    held = an_item(
        "CONTAINER", "113702", "Accumulated X-Ray Dose Data", glandular(1.5, other, right), glandular(2, left)
    )

    assert values(a_report(held)) == {"GLANDULAR R": 1.5, "GLANDULAR L": 2}
    assert values(a_report(glandular(3, both), glandular(1, other))) == {"GLANDULAR B": 3, "GLANDULAR": 1}
    assert values(a_report(glandular(3, a_concept("1", "x", "X", "right breast")))) == {"GLANDULAR R": 3}


def test_a_tracer_report_tells_the_activity_with_agent_and_nuclide() -> None:
    activity = a_number("113507", "Administered activity", 0.25, "GBq")
    agent = a_concept("349358000", "Radiopharmaceutical agent", "1", "Fluorodeoxyglucose F^18^")
    nuclide = a_concept("89457008", "Radionuclide", "2", "^18^Fluorine")
    (found,) = read(a_report(activity, agent, nuclide, title=TRACER))
    (unnamed,) = read(a_report(activity, agent, title=TRACER))

    assert (found.value, found.of, found.nuclide) == (250, "Fluorodeoxyglucose F^18^", "F-18")
    assert unnamed.nuclide == "F-18"


def test_what_is_no_number_or_in_no_known_unit_or_elsewhere_is_not_told() -> None:
    total = an_item("CONTAINER", "113811", "CT Accumulated Dose Data", a_number("113813", "DLP", 5, "furlong"))
    bare = an_item("CONTAINER", "113811", "CT Accumulated Dose Data", an_item("NUM", "113813", "DLP"))
    stray = (a_number("113813", "DLP", 5, "mGy.cm"), a_number("113722", "DAP", 5, "Gy.m2"), an_event(""))

    assert values(a_report(total, bare, *stray)) == {}
    assert values(a_report(total, title="126000")) == {}
    assert values(a_report(a_number("113839", "Effective Dose", 3, "mSv"))) == {"EFFECTIVE": 3}
    assert [number(one) for one in ("7.5", 3, True, None, "x", "nan", -1, "1e300")] == [7.5, 3, *[None] * 6]


def test_content_that_goes_deep_ends_somewhere() -> None:
    inner = a_number("113839", "Effective Dose", 3, "mSv")
    for _ in range(30):
        inner = an_item("CONTAINER", "1", "Deeper", inner)

    assert values(a_report(inner)) == {}


def a_slice(place: float, **given: Any) -> Dataset:
    return an_image("CT", **{"CTDIvol": 10.0, "ImagePositionPatient": [0, 0, place], "SliceThickness": 5, **given})


def test_ct_images_tell_the_ctdi_and_by_their_places_a_product() -> None:
    found = read(
        *(a_slice(place) for place in (0, 100, 195)), a_slice(900, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    )

    assert [(one.quantity, one.value, one.is_derived) for one in found] == [
        (Quantity.CTDI, 10, False),
        (Quantity.DLP, 200, True),
    ]


def test_reconstructions_of_one_acquisition_count_once() -> None:
    thin = [a_slice(place, SeriesInstanceUID="1.1", AcquisitionNumber=2) for place in (0, 195)]
    thick = [a_slice(place, SeriesInstanceUID="1.2", AcquisitionNumber=2) for place in (0, 195)]
    again = [a_slice(place, SeriesInstanceUID="1.3", AcquisitionNumber=3) for place in (0, 95)]
    event = [a_slice(place, IrradiationEventUID="1.9", AcquisitionNumber=number) for place, number in ((0, 4), (95, 5))]

    assert values(*thin, *thick) == {"CTDI": 10, "DLP": 200}
    assert values(*thin, *thick, *again, *event)["DLP"] == 400


def test_ct_images_without_a_ctdi_or_places_tell_what_they_can() -> None:
    assert values(an_image("CT")) == {}
    assert (
        values(an_image("CT", CTDIvol=10.0))
        == values(an_image("CT", CTDIvol=10.0, ImagePositionPatient=[]))
        == {"CTDI": 10}
    )
    assert values(a_slice(0), a_slice(9_000)) == {"CTDI": 10}


def test_frames_of_an_enhanced_ct_tell_the_same() -> None:
    frames = []
    for place in (0, 95):
        exposure, plane, measures, frame = Dataset(), Dataset(), Dataset(), Dataset()
        exposure.CTDIvol, plane.ImagePositionPatient, measures.SliceThickness = 4.0, [0, 0, place], 5
        frame.CTExposureSequence, frame.PlanePositionSequence, frame.PixelMeasuresSequence = (
            [exposure],
            [plane],
            [measures],
        )
        frames.append(frame)

    assert values(an_image("CT", PerFrameFunctionalGroupsSequence=frames)) == {"CTDI": 4, "DLP": 40}


def test_x_ray_images_add_up_and_an_image_for_processing_counts_once() -> None:
    moment = {"AcquisitionDate": "20260101", "AcquisitionTime": "101500", "ImageAndFluoroscopyAreaDoseProduct": 2.0}
    raw = an_image("DX", PresentationIntentType="FOR PROCESSING", **moment)
    shown = an_image("DX", PresentationIntentType="FOR PRESENTATION", ImageType=["DERIVED", "PRIMARY"], **moment)
    other = an_image("DX", ImageAndFluoroscopyAreaDoseProduct=3.0, EntranceDoseInmGy=0.2)
    named = an_image("DX", ImageAndFluoroscopyAreaDoseProduct=5.0, IrradiationEventUID="1.9", EntranceDoseInmGy=0.1)
    screen = an_image("DX", ImageType=["DERIVED", "SECONDARY"], ImageAndFluoroscopyAreaDoseProduct=9.0)

    assert values(raw, shown, other, named, named, screen) == {"DAP": 1.0, "ENTRANCE": 0.2}
    assert values(an_image("MR", ImageAndFluoroscopyAreaDoseProduct=9.0)) == {}


def test_mammograms_tell_organ_and_entrance_dose_by_side() -> None:
    right = an_image("MG", ImageLaterality="R", OrganDose=0.012, EntranceDoseInmGy=4.0)
    left = an_image("MG", ImageLaterality="L", OrganDose=0.015)

    assert values(right, left) == {"GLANDULAR R": 1.2, "ENTRANCE R": 4, "GLANDULAR L": 1.5}


@pytest.mark.parametrize(("modality", "said", "mbq"), [("PT", 3.5e8, 350), ("NM", 600, 600), ("NM", 6e8, 600)])
def test_the_activity_is_told_once_in_mbq_also_where_a_device_says_bq(modality: str, said: float, mbq: float) -> None:
    agent = Dataset()
    agent.Radiopharmaceutical, agent.RadionuclideTotalDose = "FDG", said
    agent.RadionuclideCodeSequence = [a_code("C-111A1", "^18^Fluorine", "SRT")]
    nothing = Dataset()
    nothing.Radiopharmaceutical = "FDG"
    images = [an_image(modality, RadiopharmaceuticalInformationSequence=[agent, nothing]) for _ in range(3)]
    (found,) = read(*images)

    assert (found.value, found.of, found.nuclide) == (mbq, "FDG", "F-18")


@pytest.mark.parametrize(
    ("words", "nuclide"),
    [
        ("^99m^Technetium", "Tc-99m"),
        ("Tc99m MDP", "Tc-99m"),
        ("F18 FDG", "F-18"),
        ("18F-FDG", "F-18"),
        ("Iodine-123", "I-123"),
        ("Water", ""),
        ("", ""),
    ],
)
def test_nuclides_are_read_as_they_are_written(words: str, nuclide: str) -> None:
    assert nuclide_of(words) == nuclide
