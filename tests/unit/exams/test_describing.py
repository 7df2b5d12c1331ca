"""What an exam is, as sites write it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebank.exams.describing import describe
from imagebank.exams.tables import tables
from imagebank.model.exam import NOTHING_SAID, Contrast, Exam, Group, Said, Side, Source
from imagebank.model.region import Code


def exam(modality: str, text: str, *series: str) -> Exam:
    return describe(Said((modality,) if modality else (), (text,), series), tables())


@pytest.mark.parametrize(
    ("modality", "text", "expected"),
    [
        ("CT", "CT HEAD W/O", "CT HEAD - no"),
        ("MR", "MRI Brain w/wo contrast", "MR BRAIN - yes"),
        ("CT", "CT ABD/PEL W", "CT ABDOMEN;PELVIS - yes"),
        ("CR", "XR HAND 3V LT", "XR HAND L unknown"),
        ("CT", "CT C/A/P W CONTRAST", "CT ABDOMEN;CHEST;PELVIS - yes"),
        ("DX", "XR L-SPINE 2V", "XR LSPINE - unknown"),
        ("CT", "CT chest for PE", "CT CHEST - yes"),
        ("CR", "Röntgen Knie li. in 2 Ebenen", "XR KNEE L unknown"),
        ("MR", "MRT LWS nativ", "MR LSPINE - no"),
        ("CT", "TAC CRANEO S/C", "CT HEAD - no"),
        ("MR", "IRM GENOU D", "MR KNEE R unknown"),
        ("CR", "RX GENOU G FACE PROFIL", "XR KNEE L unknown"),
        ("US", "Oberbauchsonographie", "US ABDOMEN - unknown"),
        ("CR", "Handgelenk rechts", "XR WRIST R unknown"),
        ("MG", "MG SCREENING BILATERAL", "MG BREAST B unknown"),
        ("US", "US DOPPLER VENOUS LE BILATERAL", "US LEG B unknown"),
        ("CT", "CT HEAD & C-SPINE WO", "CT CSPINE;HEAD - no"),
        ("CT", "TC CEREBRAL SIN CTE", "CT BRAIN - no"),
        ("CT", "CTE", "CT ABDOMEN - unknown"),
        ("US", "TOE ECHO", "US HEART - unknown"),
        ("US", "US 2nd TOE RT", "US TOE R unknown"),
        ("MR", "IRM plexus brachial G", "MR NECK L unknown"),
        ("DX", "Genou D schuss", "XR KNEE R unknown"),
        ("DX", "RX ABDOMEN DE PIE", "XR ABDOMEN - unknown"),
        ("DX", "RX DE PIE DERECHO", "XR FOOT R unknown"),
        ("DX", "XR Lumbar spine Left oblique", "XR LSPINE - unknown"),
        ("DX", "XR Hand Left oblique", "XR HAND L unknown"),
        ("US", "Re-scan kidneys", "US KIDNEY - unknown"),
        ("MR", "MRIKNEER", "MR KNEE R unknown"),
        ("CT", "CTHEADW", "CT HEAD - yes"),
        ("CT", "TC torace s/m.d.c.", "CT CHEST - no"),
        ("CT", "TC abdomen c/ y s/ contraste", "CT ABDOMEN - yes"),
        ("CT", "TDM thorax non inj.", "CT CHEST - no"),
        ("XA", "LHC + CORONARIES", "XA CORONARYARTERY;HEART - unknown"),
        ("US", "US thyroid and neck", "US NECK;THYROID - unknown"),
        ("XA", "Left heart catheterization", "XA HEART - unknown"),
        ("CR", "XR HIP W PELVIS RT", "XR HIP;PELVIS R unknown"),
        ("CR", "XR NECK OF FEMUR RIGHT", "XR HIP R unknown"),
        ("US", "US abdominal aorta", "US AORTA - unknown"),
        ("OT", "OPG", "DX_DENTAL JAW - unknown"),
        ("CT", "Head^Sinus_Routine", "CT SINUS - unknown"),
        ("CT", "TC TORACE SENZA MDC", "CT CHEST - no"),
        ("CR", "RX GINOCCHIO DX", "XR KNEE R unknown"),
        ("DX", "DX KNEE LEFT", "XR KNEE L unknown"),
        ("CT", "TAP avec injection", "CT ABDOMEN;CHEST;PELVIS - yes"),
        ("CR", "XR CHEST PA AND LEFT LATERAL", "XR CHEST - unknown"),
        ("CT", "CT ABODMEN", "CT ABDOMEN - unknown"),
        ("MR", "MR SchÃ¤del", "MR HEAD - unknown"),
        ("MR", "MR ÃberschÃ¤\u00a0del", "MR  - unknown"),
        ("CR", "Sch\ufffddel rechts", "XR SKULL R unknown"),
        ("CR", "Kniegelenksaufnahme", "XR KNEE - unknown"),
        ("US", "US abdomen kidneys", "US KIDNEY - unknown"),
        ("US", "US abdomen and kidneys", "US ABDOMEN;KIDNEY - unknown"),
        ("US", "abdomen i nyrer", "US ABDOMEN;KIDNEY - unknown"),
        ("CR", "CR mammogram left", "MG BREAST L unknown"),
        ("", "MRT Knie re", "MR KNEE R unknown"),
        ("CR", "XR CHEST RIGHT", "XR CHEST R unknown"),
        ("CR", "RX CHEVILLE ET GENOU G", "XR ANKLE;KNEE L unknown"),
        ("DX", "XR C-SPINE RT ARM NUMBNESS", "XR CSPINE - unknown"),
        ("MR", "MRI ABDOMEN, LT RENAL MASS", "MR ABDOMEN - unknown"),
        ("MR", "MRI KNEE PAIN LT", "MR KNEE L unknown"),
        ("DX", "XR LEFT KNEES", "XR KNEE L unknown"),
        ("DX", "XR HANDS AND FEET", "XR FOOT;HAND B unknown"),
        ("CT", "CT LUNG SCREENING", "CT LUNG - unknown"),
        ("CT", "CT CHEST LUNG SCREENING", "CT CHEST - unknown"),
        ("CT", "ANGIOTAC PULMONAR", "CT CHEST - yes"),
        ("CT", "CT ABDOMEN/PANCREAS", "CT ABDOMEN;PANCREAS - unknown"),
        ("CT", "CT HEART, W CHEST", "CT HEART - yes"),
        ("CT", "CT ABDOMEN C-", "CT ABDOMEN - no"),
        ("MR", "右膝MRI", "MR KNEE R unknown"),
        ("MR", "МРТ коленного сустава справа", "MR KNEE R unknown"),  # noqa: RUF001 Cyrillic is meant
        ("CR", "XR LKNEE", "XR KNEE L unknown"),
        ("CR", "XR HANDR", "XR HAND R unknown"),
        ("CR", "XR CHETS", "XR CHEST - unknown"),
        ("CT", "R/O PE, CTA CHEST", "CT CHEST - yes"),
        ("CR", "XR WRIST FOR PAIN LT", "XR WRIST L unknown"),
        ("CR", "XR AXEL KNEE R/O LT SHOULDER", "XR KNEE;SHOULDER - unknown"),
        ("DX", "XR CHEST PREOP KNEE REPLACEMENT", "XR CHEST - unknown"),
        ("DX", "Thorax, Z.n. Mamma-CA re.", "XR CHEST - unknown"),
        ("CT", "Head^Routine (Adult)", "CT HEAD - unknown"),
        ("DX", "XR PREOP KNEE", "XR KNEE - unknown"),
        ("RF", "KNEE ARTHROGRAM L", "RF KNEE L yes"),
        ("DX", "XR RIBS RT W/ CHEST", "XR CHEST;RIB R unknown"),
        ("CT", "R CT CHEST", "CT CHEST - unknown"),
        ("CR", "XR FEMUR R 2V L", "XR FEMUR B unknown"),
    ],
)
def test_words_tell_what_an_exam_is(modality: str, text: str, expected: str) -> None:
    found = exam(modality, text)

    said = f"{found.group} {';'.join(found.regions)} {found.side.value or '-'} {found.contrast}"
    assert said == expected


def test_a_code_goes_before_words_that_say_something_else() -> None:
    said = Said(("CT",), ("routine knee",), codes=(Code("71260", "C4", ""),))
    found = describe(said, tables())

    assert (found.regions, found.contrast) == (("CHEST",), Contrast.YES)
    assert {one.source for one in found.evidence if one.field == "region"} == {Source.CODE}


@pytest.mark.parametrize("scheme", ["C4", "cpt", "http://www.ama-assn.org/go/cpt", ""])
def test_a_scheme_may_have_other_names(scheme: str) -> None:
    assert describe(Said(("CT",), codes=(Code("71260", scheme, ""),)), tables()).regions == ("CHEST",)


def test_words_say_more_finely_what_a_code_says() -> None:
    said = Said(("MR",), ("MR wrist right",), codes=(Code("73221", "", ""),))

    assert describe(said, tables()).regions == ("WRIST",)


def test_words_go_before_a_tag_and_a_tag_makes_a_broad_word_finer() -> None:
    def regions(text: str, tag: str) -> tuple[str, ...]:
        return describe(Said(("DX",), (text,), body_parts=(tag,)), tables()).regions

    assert regions("XR CHEST 2V", "ABDOMEN") == ("CHEST",)
    assert regions("XR UPPER EXTREMITY", "WRIST") == ("WRIST",)
    assert regions("2 VIEWS", "CSPINE") == ("CSPINE",)
    assert regions("", "UP_EXM") == ("ARM",)


def test_a_region_code_is_read_as_what_it_means() -> None:
    by_table = Said(("CT",), regions=(Code("774007", "SCT", ""),))
    by_itself = Said(("CT",), regions=(Code("x", "99OURS", "Left knee"),))

    assert describe(by_table, tables()).regions == ("HEAD", "NECK")
    assert describe(by_itself, tables()).regions == ("KNEE",)


def test_a_sites_own_code_is_read_when_nothing_else_says_what_it_is() -> None:
    found = describe(Said(("CT",), codes=(Code("CTHEADWO", "L", ""),)), tables())

    assert (found.regions, found.contrast) == (("HEAD",), Contrast.NO)


def test_the_side_of_a_tag_counts_where_words_say_none() -> None:
    def side(text: str, tag: str) -> Side:
        return describe(Said(("DX",), (text,), laterality=tag), tables()).side

    assert side("XR KNEE", "R") is Side.RIGHT
    assert side("XR KNEE LEFT", "R") is Side.LEFT
    assert side("XR CHEST", "R") is Side.RIGHT
    assert side("XR KNEE", "U") is Side.UNSAID
    assert side("XR KNEE R AND L", "") is Side.BOTH


def test_an_exam_whose_words_and_tag_contradict_says_so() -> None:
    def torn(text: str, tag: str) -> tuple[Side, Side]:
        found = describe(Said(("MR",), (text,), laterality=tag), tables())
        return found.side, found.sure_side

    assert torn("MR KNEE LEFT", "R") == (Side.LEFT, Side.UNSAID)
    assert all(torn("MR KNEE LEFT", tag) == (Side.LEFT, Side.LEFT) for tag in ("L", "B", "U", ""))


def test_reports_and_marks_without_images_are_told_apart_but_for_those_that_are_the_exam() -> None:
    def pictureless(*modalities: str, text: str = "CT abdomen") -> bool:
        return describe(Said(modalities, (text,)), tables()).is_pictureless

    assert pictureless("SR")
    assert pictureless("PR", "KO")
    assert not any((pictureless(), pictureless("OT"), pictureless("CT"), pictureless("DOC", text="ECG 12 lead")))


def test_an_agent_tells_of_contrast_where_words_do_not() -> None:
    given_agent = Said(("CT",), ("CT ABDOMEN",), agent="OMNIPAQUE 350")
    contradicted = Said(("CT",), ("CT ABDOMEN WO",), agent="OMNIPAQUE 350")

    assert describe(given_agent, tables()).contrast is Contrast.YES
    assert describe(contradicted, tables()).contrast is Contrast.NO


def test_of_several_modalities_the_tracer_tells_the_group() -> None:
    assert describe(Said(("CT", "PT", "SR")), tables()).group is Group.PT
    assert describe(Said(("SR",)), tables()).group is Group.OTHER
    assert describe(Said(("nonsense",)), tables()).group is Group.OTHER


def test_words_that_no_table_has_are_listed() -> None:
    assert exam("CT", "CT HEAD ZWÖRGELMOPPEN 17").unknown == ("zworgelmoppen",)


def test_a_reason_is_no_region() -> None:
    found = exam("CT", "CT chest follow up for liver cancer")

    assert (found.regions, found.purpose) == (("CHEST",), "followup")


def test_a_film_after_a_line_was_placed_is_a_follow_up() -> None:
    assert exam("DX", "CXR line check").purpose == "followup"
    found = exam("DX", "Thorax nach ZVK-Anlage rechts")

    assert (found.regions, found.side, found.purpose) == (("CHEST",), Side.UNSAID, "followup")


def test_which_vessels_an_ultrasound_shows_tells_more_than_duplex() -> None:
    assert exam("US", "Duplex Beinvenen").kind == "veins"
    assert exam("US", "US arterial duplex lower extremity").kind == "arteries"
    assert exam("US", "Duplex carotids").kind == "duplex"


def test_what_nothing_is_said_of_is_nothing() -> None:
    found = describe(NOTHING_SAID, tables())

    assert found == Exam(Group.OTHER, confidence=found.confidence)
    assert found.confidence < 0.3


def test_a_mammogram_is_of_the_breast_whatever_it_says() -> None:
    found = exam("MG", "4 views")

    assert found.regions == ("BREAST",)
    assert found.confidence < exam("MG", "Mammogram").confidence


texts = st.lists(st.text(max_size=40), max_size=3).map(tuple)


@settings(max_examples=60, deadline=None)
@given(texts, texts, texts, st.text(max_size=8))
def test_no_text_makes_it_fail(
    descriptions: tuple[str, ...], series: tuple[str, ...], parts: tuple[str, ...], tag: str
) -> None:
    said = Said((tag,), descriptions, series, parts, (Code(tag, tag, tag),), (Code(tag, tag, tag),), tag, parts, tag)
    found = describe(said, tables())

    assert 0 <= found.confidence <= 1
    assert list(found.regions) == sorted(set(found.regions))


@settings(max_examples=20, deadline=None)
@given(st.permutations(["AX T1 KNEE", "SAG T2 HIP", "LOCALIZER", "COR STIR RIGHT"]))
def test_the_order_of_series_does_not_matter(series: list[str]) -> None:
    found = describe(Said(("MR",), series=tuple(series)), tables())

    assert (found.regions, found.side) == (("HIP", "KNEE"), Side.RIGHT)


def test_a_letter_that_no_region_stands_beside_is_no_side() -> None:
    assert [describe(Said(("CT",), (text,)), tables()).side for text in ("G", "CT S", "DS")] == [Side.UNSAID] * 3


def test_an_injection_of_an_agent_is_no_procedure() -> None:
    assert exam("CT", "Scanner TAP avec injection").kind == ""
    assert exam("US", "US guided injection hip").kind == "intervention"
