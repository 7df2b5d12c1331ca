"""What goes to the viewer, and what is shown by pages of our own."""

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from imagebank.model.imaging import Digest, Instance, Location, Pixels
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.portal import launch
from imagebank.portal.launch import Kind

STUDY = Uid("1.2.3")
CT, SR, SEG, RTSTRUCT, PDF, ECG, US_LOOP, RT_PLAN, RETIRED_US, ENDOSCOPY, US_STILL = (
    "1.2.840.10008.5.1.4.1.1." + ending
    for ending in ("2", "88.33", "66.4", "481.3", "104.1", "9.1.1", "3.1", "481.5", "6", "77.1.1", "6.1")
)
VIDEO_ENDOSCOPY = "1.2.840.10008.5.1.4.1.1.77.1.1.1"
EXPLICIT, H264, MPEG2, JPEG_XL = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2.4.102",
    "1.2.840.10008.1.2.4.100",
    "1.2.840.10008.1.2.4.110",
)
_IMAGES = {CT, SEG, US_LOOP, RETIRED_US, ENDOSCOPY, VIDEO_ENDOSCOPY, US_STILL}


def an_instance(sop_class: str, series: str = "1.2.3.1", syntax: str = EXPLICIT) -> Instance:
    pixels = Pixels(0, 0, encapsulated=False, frames=1) if sop_class in _IMAGES else None
    digest = Digest("blake3", b"")
    return Instance(
        uid=Uid(f"{series}.{sop_class[-4:].strip('.')}"),
        series=Uid(series),
        study=STUDY,
        patient=PatientId("local", "1"),
        sop_class=Uid(sop_class),
        transfer_syntax=Uid(syntax),
        number=1,
        location=Location("", 0, 0, 0),
        digest=digest,
        content_digest=digest,
        dataset_offset=0,
        pixels=pixels,
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def shown_series(address: str | None) -> list[str]:
    assert address is not None
    return parse_qs(urlsplit(address).query)["SeriesInstanceUIDs"][0].split(",")


@pytest.mark.parametrize(
    ("sop_class", "syntax", "kind"),
    [
        (CT, EXPLICIT, Kind.PICTURE),
        (RETIRED_US, EXPLICIT, Kind.PICTURE),
        (US_LOOP, H264, Kind.VIDEO),
        (US_LOOP, MPEG2, Kind.VIDEO),
        (PDF, EXPLICIT, Kind.DOCUMENT),
        (SR, EXPLICIT, Kind.TEXT),
        (ECG, EXPLICIT, Kind.WAVEFORM),
        (SEG, EXPLICIT, Kind.DETAILS),
        (RT_PLAN, EXPLICIT, Kind.DETAILS),
        ("1.3.46.670589.5.0.1", EXPLICIT, Kind.DETAILS),
    ],
)
def test_every_object_has_a_page_of_its_kind(sop_class: str, syntax: str, kind: Kind) -> None:
    assert launch.kind_of(an_instance(sop_class, syntax=syntax)) is kind


def test_a_study_of_images_is_opened_whole() -> None:
    address = launch.viewer_address(STUDY, [an_instance(CT, "1.2.3.1"), an_instance(CT, "1.2.3.2")])

    assert address == "/viewer/viewer?StudyInstanceUIDs=1.2.3"


def test_a_report_never_reaches_the_viewer() -> None:
    address = launch.viewer_address(STUDY, [an_instance(CT, "1.2.3.1"), an_instance(SR, "1.2.3.2")])

    assert shown_series(address) == ["1.2.3.1"]


def test_a_series_that_mixes_a_report_with_images_stays_out_too() -> None:
    instances = [an_instance(CT, "1.2.3.1"), an_instance(CT, "1.2.3.2"), an_instance(SR, "1.2.3.2")]

    assert shown_series(launch.viewer_address(STUDY, instances)) == ["1.2.3.1"]


def test_overlays_go_along_with_images_and_never_alone() -> None:
    overlays = [an_instance(SEG, "1.2.3.2"), an_instance(RTSTRUCT, "1.2.3.3")]

    assert launch.viewer_address(STUDY, overlays) is None
    assert launch.series_for_viewer([an_instance(CT), *overlays]) == ["1.2.3.1", "1.2.3.2", "1.2.3.3"]


@pytest.mark.parametrize(
    ("sop_class", "syntax", "is_drawn"),
    [
        (VIDEO_ENDOSCOPY, H264, True),
        (US_LOOP, H264, False),
        (VIDEO_ENDOSCOPY, MPEG2, False),
        (CT, JPEG_XL, False),
        (RETIRED_US, EXPLICIT, False),
        (PDF, EXPLICIT, True),
        (ECG, EXPLICIT, True),
    ],
)
def test_the_viewer_gets_only_what_it_draws(sop_class: str, syntax: str, is_drawn: bool) -> None:
    assert launch.is_drawn_alone(an_instance(sop_class, syntax=syntax)) is is_drawn


@pytest.mark.parametrize(
    ("sop_class", "may"),
    [
        *(
            (sop_class, True)
            for sop_class in (CT, US_LOOP, RETIRED_US, ENDOSCOPY, "1.2.840.10008.5.1.4.1.1.481.2", "1.3.46")
        ),
        *((sop_class, False) for sop_class in (SR, SEG, RTSTRUCT, RT_PLAN, PDF, ECG)),
    ],
)
def test_a_picture_is_asked_for_only_where_one_may_come(sop_class: str, may: bool) -> None:
    assert launch.may_have_picture(sop_class) is may


@pytest.mark.parametrize(
    ("length", "encapsulated", "is_drawn"), [(24, False, True), (16, False, False), (9, True, True)]
)
def test_native_frames_with_shared_colour_samples_stay_here(length: int, encapsulated: bool, is_drawn: bool) -> None:
    shape = Pixels(0, length, encapsulated=encapsulated, frames=1, rows=2, columns=4, samples=3, bits_allocated=8)
    image = replace(an_instance(US_STILL), pixels=shape)

    assert launch.is_drawn_alone(image) is is_drawn


def test_the_series_that_was_asked_for_is_shown_first() -> None:
    instances = [an_instance(CT, f"1.2.3.{n}") for n in range(1, 90)] + [an_instance(SR, "1.2.3.99")]

    address = launch.viewer_address(STUDY, instances, first=Uid("1.2.3.88"))

    assert shown_series(address)[0] == "1.2.3.88"
    assert address is not None
    assert address.endswith("&initialSeriesInstanceUID=1.2.3.88")
    assert len(address) < 4_096


def test_studies_side_by_side_come_with_those_series_that_the_viewer_may_have() -> None:
    with_report = [an_instance(CT, "1.2.3.1"), an_instance(SR, "1.2.3.2")]
    address = launch.compare_address({Uid("1.2.3"): with_report, Uid("1.2.2"): [an_instance(CT, "1.2.2.1")]})

    assert shown_series(address) == ["1.2.3.1", "1.2.2.1"]
    assert address is not None
    assert "StudyInstanceUIDs=1.2.3,1.2.2&hangingProtocolId=imagebank.compare" in address
    assert launch.compare_address({Uid("1.2.3"): with_report, Uid("1.2.2"): [an_instance(SR)]}) is None


def test_of_many_series_each_study_has_its_share() -> None:
    many = [an_instance(CT, f"1.2.3.{number}") for number in range(99)] + [an_instance(SR, "1.2.3.100")]
    address = launch.compare_address({Uid("1.2.3"): many, Uid("1.2.2"): [an_instance(CT, "1.2.2.1")]})

    assert len(shown_series(address)) == 31
    assert "1.2.2.1" in shown_series(address)
