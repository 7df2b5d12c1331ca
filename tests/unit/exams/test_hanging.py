"""What a header says of a series, and which two stand side by side."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from imagebank.exams.hanging import placed, stacks_of
from imagebank.exams.pairing import best_beside, best_pair
from imagebank.model.imaging import DataSet, Digest, Instance, Location, Pixels
from imagebank.model.person import PatientId
from imagebank.model.stack import Link, Places, Plane, Stack, link_of, linked
from imagebank.model.uid import Uid

AXIAL, SAGITTAL, CORONAL = [1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0, -1]
CT, SECONDARY = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.7"


def header(**given: Any) -> DataSet:
    """A header by keywords that are told apart here; a list is a value of many."""
    keys = {
        "modality": "00080060",
        "said": "0008103E",
        "number": "00200011",
        "types": "00080008",
        "plane": "00200037",
        "agent": "00180010",
        "side": "00200062",
        "view": "00185101",
        "thickness": "00180050",
        "at": "00200032",
        "frame": "00200052",
        "spacing": "00280030",
        "rows": "00280010",
        "columns": "00280011",
        "shared": "52009229",
        "each": "52009230",
        "orientation": "00209116",
        "position": "00209113",
        "measures": "00289110",
        "views": "00540220",
        "meaning": "00080104",
        "intent": "00080068",
    }
    return {
        keys[name]: {"vr": "", "Value": value if isinstance(value, list) else [value]} for name, value in given.items()
    }


def an_instance(uid: str = "1.1.1", sop_class: str = CT, frames: int = 1) -> Instance:
    digest = Digest("blake3", b"")
    return Instance(
        uid=Uid(uid),
        series=Uid("1.1"),
        study=Uid("1"),
        patient=PatientId("local", "1"),
        sop_class=Uid(sop_class),
        transfer_syntax=Uid("1.2.840.10008.1.2.1"),
        number=1,
        location=Location("", 0, 0, 0),
        digest=digest,
        content_digest=digest,
        dataset_offset=0,
        pixels=Pixels(0, 0, encapsulated=False, frames=frames) if frames else None,
        received_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def a_stack(*, sop_class: str = CT, **given: Any) -> Stack:
    """The one stack of a series with such a header."""
    (found,) = stacks_of([an_instance(sop_class=sop_class)], [header(**given)])
    return found


@pytest.mark.parametrize(
    ("given", "plane"),
    [
        ({"plane": AXIAL}, Plane.AXIAL),
        ({"plane": SAGITTAL}, Plane.SAGITTAL),
        ({"plane": CORONAL}, Plane.CORONAL),
        ({"shared": header(orientation=header(plane=CORONAL))}, Plane.CORONAL),
        ({"each": [header(orientation=header(plane=SAGITTAL)), {}]}, Plane.SAGITTAL),
        ({"said": "T2 cor"}, Plane.CORONAL),
        ({"plane": AXIAL, "said": "sag"}, Plane.AXIAL),
        ({"plane": [1, 0, 0]}, None),
        ({"plane": [*AXIAL[:5], "x"]}, None),
        ({}, None),
    ],
)
def test_the_plane_is_that_of_the_images_else_of_the_words(given: dict[str, Any], plane: Plane | None) -> None:
    assert a_stack(**given).plane is plane


@pytest.mark.parametrize(
    ("given", "contrast"),
    [
        ({"said": "T1 ax +C"}, True),
        ({"said": "Thorax KM"}, True),
        ({"said": "Thorax nativ"}, False),
        ({"said": "without contrast"}, False),
        ({"agent": "Gadovist"}, True),
        ({"agent": "Gadovist", "said": "T1 pre"}, False),
        ({"said": "T1"}, None),
    ],
)
def test_contrast_is_told_by_agent_and_words(given: dict[str, Any], contrast: bool | None) -> None:
    assert a_stack(**given).contrast is contrast


@pytest.mark.parametrize(
    ("said", "weighting"),
    [
        *(("t1_fl2d_sag", "t1"), ("T2 FLAIR ax", "flair"), ("ep2d_diff_mddw_20_p2", "diffusion"), ("", "")),
        *(("ADC map", "adc"), ("TOF 3D", "vessels")),
    ],
)
def test_the_weighting_is_the_most_telling_word(said: str, weighting: str) -> None:
    assert a_stack(said=said).weighting == weighting


@pytest.mark.parametrize(
    ("given", "is_scout"),
    [
        ({"types": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, True),
        ({"said": "Topogram 0.6"}, True),
        ({"said": "3-pl loc"}, True),
        ({"said": "Exam Summary"}, True),
        ({"sop_class": SECONDARY, "modality": "CT"}, True),
        ({"sop_class": SECONDARY, "modality": "OP"}, False),
        ({"said": "Location of the lesion", "modality": "CT"}, False),
        ({"modality": "MG", "intent": "FOR PROCESSING"}, True),
        ({"modality": "MG", "intent": "FOR PRESENTATION"}, False),
    ],
)
def test_scouts_and_pictures_of_screens_are_known(given: dict[str, Any], is_scout: bool) -> None:
    assert a_stack(**given).is_scout is is_scout


def test_other_facts_are_read_as_they_stand() -> None:
    found = a_stack(modality="CT", number="7", side="L", view="MLO", thickness="2.5", said="Head 1mm")

    assert (found.modality, found.number, found.side, found.view, found.thickness_mm) == ("CT", 7, "L", "MLO", 2.5)
    assert found.words == {"head", "1mm"}
    assert a_stack(thickness="inf", number="x").thickness_mm is None
    assert a_stack(views=header(meaning="cranio-caudal")).view == "cranio-caudal"


def test_each_film_hangs_alone_and_the_other_images_of_its_series_together() -> None:
    loops = [an_instance(frames=75), an_instance("1.1.2", frames=0), an_instance("1.1.3")]
    found = list(stacks_of(loops, [header(modality="XA")]))

    assert [(one.frames, one.instance) for one in found] == [(75, "1.1.1"), (1, None)]
    assert [one.instance for one in stacks_of(loops[:1], [header(modality="US")])] == ["1.1.1"]


@pytest.mark.parametrize("given", [{"modality": "US", "plane": AXIAL}, {"modality": "NM"}])
def test_frames_through_the_body_are_no_film(given: dict[str, Any]) -> None:
    (found,) = stacks_of([an_instance(frames=75)], [header(**given)])

    assert (found.frames, found.instance) == (75, None)


def test_mammograms_and_x_rays_are_hung_image_by_image() -> None:
    views = [header(modality="MG", view=view, side="R") for view in ("CC", "MLO")]
    found = list(stacks_of([an_instance("1.1.1"), an_instance("1.1.2")], views))

    assert [(one.instance, one.view) for one in found] == [("1.1.1", "CC"), ("1.1.2", "MLO")]
    assert len(list(stacks_of([an_instance(), an_instance("1.1.2")], views[:1]))) == 1


BASE = Stack(Uid("1"), Uid("1.1"), 30, "MR", 1)


def numbered(number: int, **given: Any) -> Stack:
    return replace(BASE, series=Uid(f"1.{number}"), number=number, **given)


def test_two_that_show_the_same_in_the_same_way_hang_together() -> None:
    current = [
        numbered(1, is_scout=True, plane=Plane.SAGITTAL, frames=300),
        numbered(2, plane=Plane.AXIAL, weighting="t2", frames=60),
        numbered(3, plane=Plane.SAGITTAL, weighting="t1", contrast=True),
    ]
    prior = [
        numbered(4, plane=Plane.SAGITTAL, weighting="t1", contrast=False),
        numbered(5, plane=Plane.SAGITTAL, weighting="t1", contrast=True),
    ]

    assert best_pair(current, prior) == (current[2], prior[1])
    assert best_beside(current[1], prior) in prior
    assert best_pair(current, []) is None
    assert best_beside(current[1], []) is None


@pytest.mark.parametrize(
    ("wanted", "other"),
    [
        ({"modality": "DX"}, {"modality": "MG"}),
        ({"side": "L"}, {"side": "R"}),
        ({"view": "CC"}, {"view": "MLO"}),
        ({"words": frozenset({"brain", "std"})}, {"words": frozenset({"bone"})}),
        ({"thickness_mm": 3.0}, {"thickness_mm": 0.6}),
        ({"frames": 60}, {"frames": 2}),
    ],
)
def test_each_thing_that_both_say_counts(wanted: dict[str, Any], other: dict[str, Any]) -> None:
    chosen = numbered(1, **{**wanted, **({"modality": "CR"} if "modality" in wanted else {})})
    here = [numbered(2, **other), numbered(3, **wanted)]

    assert best_beside(chosen, here) == here[1]


def test_scouts_hang_where_there_is_nothing_else_and_equals_in_their_order() -> None:
    scouts = [numbered(2, is_scout=True), numbered(1, is_scout=True)]

    assert best_pair(scouts, scouts) == (scouts[1], scouts[1])


def test_an_image_lies_where_its_middle_is() -> None:
    one = header(plane=AXIAL, at=[-100, -100, 7], frame="1.9", spacing=[2, 1], rows=101, columns=201)

    assert placed(one) == Places("1.9", (0, 0, 1), ((0.0, 0.0, 7.0),))
    for key in ("00200037", "00200032", "00280030"):
        assert placed({name: value for name, value in one.items() if name != key}) is None


def test_the_frames_of_an_image_lie_where_its_groups_say() -> None:
    frames = [header(position=header(at=[0, 0, z])) for z in (1, 2, 3)]
    shared = header(orientation=header(plane=AXIAL), measures=header(spacing=[1, 1]))
    found = placed(header(shared=shared, each=frames, rows=1, columns=1))

    assert found is not None
    assert [middle[2] for middle in found.middles] == [1, 2, 3]


def places(*along: float, frame: str = "1.9", normal: tuple[float, float, float] = (0, 0, 1)) -> Places:
    return Places(frame, normal, tuple((0.0, 0.0, z) for z in along))


def test_images_are_linked_by_their_place_in_the_patient() -> None:
    assert link_of(places(0, 5, 10), places(10, 9, 4, -1), 3, 4) is Link.PLACE
    assert linked(places(0, 5, 10), places(10, 9, 4, -1), 3, 4) == (3, 2, 0)


def test_slices_of_other_thickness_in_another_frame_of_reference_are_linked_by_millimetres() -> None:
    thick, thin = places(*range(0, 41, 5)), places(*range(500, 540, 2), frame="1.8")

    assert link_of(thick, thin, 9, 20) is Link.MIDDLES
    assert linked(thick, thin, 9, 20)[3:6] == (6, 9, 11)
    assert linked(thin, thick, 20, 9)[9] == 4


def test_without_a_frame_of_reference_in_common_the_middles_are_one_place() -> None:
    assert link_of(places(0, 5, 10), places(100, 105, 110, frame="1.8"), 3, 3) is Link.MIDDLES
    assert linked(places(0, 5, 10), places(100, 105, 110, frame="1.8"), 3, 3) == (0, 1, 2)


@pytest.mark.parametrize(
    "other", [None, places(0, 1, 2, 3, 4, normal=(1, 0, 0)), places(0, 1)], ids=["unplaced", "turned", "not all"]
)
def test_else_images_are_linked_in_proportion(other: Places | None) -> None:
    assert link_of(places(0, 5, 10), other, 3, 5) is Link.SHARE
    assert linked(places(0, 5, 10), other, 3, 5) == (0, 2, 4)
    assert linked(None, other, 1, 5) == (0,)
