"""C-FIND with findscu and pynetdicom."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid
from pynetdicom import build_context
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from bank import keep, keep_paths
from imagebank.dimse import command as commands
from imagebank.dimse.contexts import EXPLICIT_LE, IMPLICIT_LE, PATIENT_FIND, STUDY_FIND
from imagebank.dimse.dataset import encode
from imagebank.model.access import Right
from imagebank.model.person import fold
from make import a_dataset, a_file, a_series, as_file
from protocol.dimse_peers import Site, a_line, a_site, associate, dcmtk, pdv, read_pdu, register
from samples import sample_data

STUDY = generate_uid()
SERIES = generate_uid()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    attributes = ("instance:AcquisitionDateTime", "study:0009xx01@AUDIT")
    with a_site(tmp_path_factory.mktemp("find"), attributes=attributes) as found:
        shared = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "PatientName": "Findus^Carl^^Dr"}
        times = {"AcquisitionDateTime": "20240101120000+0200"}
        keep(found.bank, *a_series(3, **shared, **times, PatientID="F1", AccessionNumber="ACC7"))
        keep(found.bank, *(a_file(PatientID=f"M{number}", StudyDescription="many") for number in range(40)))
        yield found


def identifier(level: str, **keys: Any) -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(dataset, keyword, value)
    return dataset


def ask(
    site: Site, level: str, root: str = STUDY_FIND, options: bytes = b"", syntax: str = EXPLICIT_LE, **keys: Any
) -> tuple[list[Dataset], list[int]]:
    """The matches and every status."""
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid, item.service_class_application_information = root, options
    association = associate(site, build_context(root, syntax), ext_neg=[item] if options else [])
    answers = list(association.send_c_find(identifier(level, **keys), root))
    association.release()
    return [found for _, found in answers if found is not None], [int(status.Status) for status, _ in answers]


def test_findscu_finds_a_study_by_a_part_of_the_name(site: Site) -> None:
    answer = dcmtk(
        "findscu", site, "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=find*", "-k", "StudyInstanceUID"
    )

    assert STUDY in answer.stdout + answer.stderr


def test_an_answer_has_the_keys_asked_for_and_those_of_every_answer(site: Site) -> None:
    (found,), statuses = ask(site, "STUDY", PatientID="F1", PatientName="", AccessionNumber="", ModalitiesInStudy="")

    assert statuses == [0xFF00, 0x0000]
    assert {element.keyword for element in found} == {
        "PatientID", "PatientName", "AccessionNumber", "ModalitiesInStudy", "StudyInstanceUID",
        "QueryRetrieveLevel", "RetrieveAETitle", "InstanceAvailability",
    }  # fmt: skip
    assert (found.AccessionNumber, found.ModalitiesInStudy, found.RetrieveAETitle) == ("ACC7", "CT", "IMAGEBANK")


def test_a_key_that_nobody_knows_comes_back_empty_with_a_warning(site: Site) -> None:
    (found,), statuses = ask(site, "STUDY", PatientID="F1", PregnancyStatus=None)

    assert statuses == [0xFF01, 0x0000]
    assert found["PregnancyStatus"].is_empty


@pytest.mark.parametrize("syntax", ["-xe", "-xi"])
def test_a_key_of_nothing_but_a_star_or_a_dash_matches_everything(site: Site, syntax: str) -> None:
    keys = ["StudyInstanceUID=*", "StudyDate=*", "StudyTime=-", "NumberOfStudyRelatedInstances=*"]
    given = [part for key in [*keys, "PatientID=F1", "ModalitiesInStudy=MR\\CT"] for part in ("-k", key)]
    answer = dcmtk("findscu", site, syntax, "-S", "-k", "QueryRetrieveLevel=STUDY", *given)

    assert STUDY in answer.stdout + answer.stderr


@pytest.mark.parametrize(("text", "count"), [("20240101-20240102", 3), ("20240101100000+0000", 3), ("2023", 0)])
def test_a_date_and_time_that_the_site_declares_is_found_by_ranges(site: Site, text: str, count: int) -> None:
    above: dict[str, Any] = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES}
    found, _ = ask(site, "IMAGE", **above, SOPInstanceUID="", AcquisitionDateTime=text)

    assert [one.AcquisitionDateTime for one in found] == ["20240101120000+0200"] * count


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, IMPLICIT_LE])
def test_a_private_key_goes_by_its_creator(site: Site, syntax: str) -> None:
    ds = a_dataset(PatientID="PRIVATE")
    ds.private_block(0x0009, "AUDIT", create=True).add_new(1, "LO", "Secret")
    keep(site.bank, as_file(ds))
    keys = identifier("STUDY", StudyInstanceUID="")
    keys.private_block(0x0009, "SOMEBODY", create=True)
    keys.private_block(0x0009, "AUDIT", create=True).add_new(1, "LO", "secret")

    association = associate(site, build_context(STUDY_FIND, syntax))
    found = [one for _, one in association.send_c_find(keys, STUDY_FIND) if one is not None]
    association.release()

    assert {one[0x00090011].value for one in found} == {"AUDIT"}
    assert {one[0x00091101].value for one in found} <= {"Secret", b"Secret"}
    assert ds.StudyInstanceUID in [one.StudyInstanceUID for one in found]
    assert len(found) < 41


def test_a_hierarchical_query_needs_the_unique_keys_above(site: Site) -> None:
    assert ask(site, "SERIES", SeriesInstanceUID="")[1] == [0xA900]
    assert ask(site, "STUDY", PATIENT_FIND, StudyInstanceUID="")[1] == [0xA900]
    assert ask(site, "PATIENT", STUDY_FIND, PatientID="")[1] == [0xA900]
    assert ask(site, "SERIES", StudyInstanceUID=STUDY, SeriesInstanceUID="")[1] == [0xFF00, 0x0000]


def test_a_relational_query_is_answered_where_it_was_negotiated(site: Site) -> None:
    found, statuses = ask(site, "IMAGE", options=b"\1\0\0", PatientID="F1", SOPInstanceUID="", InstanceNumber="")

    assert statuses[-1] == 0x0000
    assert sorted(one.InstanceNumber for one in found) == [1, 2, 3]


def test_every_level_of_patient_root_is_answered(site: Site) -> None:
    above = {"PatientID": "F1", "StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES}
    levels: dict[str, int] = {"PATIENT": 1, "STUDY": 1, "SERIES": 1, "IMAGE": 3}

    counts = {}
    for place, level in enumerate(levels):
        keys: dict[str, Any] = dict(list(above.items())[: place + 1])
        if level == "IMAGE":
            keys["SOPInstanceUID"] = ""
        counts[level] = len(ask(site, level, PATIENT_FIND, **keys)[0])
    assert counts == levels


@pytest.mark.parametrize("root", [PATIENT_FIND, STUDY_FIND])
def test_studies_of_two_people_with_one_id_never_stand_in_one_answer(site: Site, root: str) -> None:
    keep(site.bank, *(a_file(PatientID=root, IssuerOfPatientID=issuer) for issuer in ("H1", "H2")))

    found, statuses = ask(site, "STUDY", root, PatientID=root, StudyInstanceUID="")
    assert (found, statuses) == ([], [0xA900])
    found, _ = ask(site, "STUDY", root, PatientID=root, IssuerOfPatientID="H1", StudyInstanceUID="")
    assert len(found) == 1


def test_each_person_with_one_id_is_a_patient(site: Site) -> None:
    keep(site.bank, *(a_file(PatientID="TWO", IssuerOfPatientID=issuer) for issuer in ("H1", "H2")))

    found, _ = ask(site, "PATIENT", PATIENT_FIND, PatientID="TWO", IssuerOfPatientID="")
    assert sorted(one.IssuerOfPatientID for one in found) == ["H1", "H2"]


def test_words_in_any_order_find_a_name_where_fuzzy_matching_was_negotiated(site: Site) -> None:
    assert len(ask(site, "STUDY", options=b"\0\0\1", PatientName="carl find")[0]) == 1
    assert ask(site, "STUDY", PatientName="carl find")[0] == []


def test_an_impossible_date_is_refused_with_a_comment(site: Site) -> None:
    association = associate(site, STUDY_FIND)

    # pydicom would not encode such a date without a warning of its own.
    dataset = identifier("STUDY", StudyInstanceUID="")
    dataset.add_new(0x00080020, "LO", "not a date")
    ((status, _),) = association.send_c_find(dataset, STUDY_FIND)
    association.release()

    assert status.Status >> 12 == 0xC


def test_a_sequence_key_is_matched_and_returned(site: Site) -> None:
    item = Dataset()
    item.ScheduledProcedureStepID, item.RequestedProcedureID = "SPS9", "RP9"
    series = generate_uid()
    keep(
        site.bank,
        a_file(StudyInstanceUID=STUDY, SeriesInstanceUID=series, PatientID="F1", RequestAttributesSequence=[item]),
    )
    key = Dataset()
    key.ScheduledProcedureStepID, key.RequestedProcedureID = "SPS9", ""

    (found,), _ = ask(site, "SERIES", StudyInstanceUID=STUDY, SeriesInstanceUID="", RequestAttributesSequence=[key])
    assert found.SeriesInstanceUID == series
    assert found.RequestAttributesSequence[0].RequestedProcedureID == "RP9"


def test_implicit_coding_gives_the_same_answer(site: Site) -> None:
    (found,), _ = ask(
        site, "STUDY", syntax=IMPLICIT_LE, PatientID="F1", PatientName="", NumberOfStudyRelatedInstances=""
    )

    assert found.PatientName == "Findus^Carl^^Dr"
    assert found.NumberOfStudyRelatedInstances >= 3


def test_a_query_that_is_cancelled_ends_early(site: Site) -> None:
    with a_line(site, (STUDY_FIND, (IMPLICIT_LE,))) as line:
        asked = encode({"00080052": {"vr": "CS", "Value": ["STUDY"]}, "00081030": {"vr": "LO"}}, IMPLICIT_LE)
        find = commands.encode(
            {
                "AffectedSOPClassUID": STUDY_FIND,
                "CommandField": 0x20,
                "MessageID": 5,
                "Priority": 0,
                "CommandDataSetType": 1,
            }
        )
        cancel = commands.encode({"CommandField": 0xFFF, "MessageIDBeingRespondedTo": 5, "CommandDataSetType": 0x101})
        line.sendall(pdv(3, find) + pdv(2, asked) + pdv(3, cancel))

        statuses: list[int] = []
        while not statuses or statuses[-1] >> 8 == 0xFF:
            _, body = read_pdu(line)
            if body[5] & 1:
                statuses.append(commands.number(commands.decode(body[6:]), "Status"))
    assert statuses[-1] == 0xFE00
    assert len(statuses) < 40


def test_a_device_without_the_right_to_find_is_told_so(site: Site) -> None:
    register(site, "SENDER", rights=frozenset({Right.STORE}))
    association = associate(site, STUDY_FIND, aet="SENDER")

    ((status, _),) = association.send_c_find(identifier("STUDY", StudyInstanceUID=""), STUDY_FIND)
    association.release()

    assert status.Status == 0x0124


def test_a_device_that_nobody_registered_is_rejected_where_strangers_are_not_taken(tmp_path: Path) -> None:
    with a_site(tmp_path, open_loopback=False) as strict:
        rejected = dcmtk("echoscu", strict, aet="STRANGER")
        register(strict, "KNOWN")
        known = dcmtk("echoscu", strict, aet="KNOWN")

    assert "Calling AE Title Not Recognized" in rejected.stderr + rejected.stdout
    assert known.returncode == 0


NAMED = [path for path in sorted((sample_data() / "charsets").glob("*.dcm")) if "SQEncoding" not in path.name]


@pytest.mark.parametrize("path", NAMED, ids=lambda path: path.stem)
def test_a_name_is_found_in_its_own_script_and_folded(path: Path, tmp_path: Path) -> None:
    original = dcmread(path)
    written = [group for group in str(original.PatientName).split("=") if group.strip("^ ")]
    with a_site(tmp_path) as site:
        keep_paths(site.bank, [path])
        for group in written:
            for asked in (group, fold(group)):
                found, _ = ask(site, "STUDY", SpecificCharacterSet="ISO_IR 192", PatientName=asked, StudyInstanceUID="")
                assert [str(one.PatientName) for one in found] == [str(original.PatientName)], asked


def test_a_query_in_another_character_set_is_understood(site: Site) -> None:
    keep(site.bank, a_file(PatientID="J1", PatientName="Щукин"))
    (found,), _ = ask(site, "STUDY", SpecificCharacterSet="ISO_IR 144", PatientName="Щукин", PatientID="")

    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert found.PatientID == "J1"


def test_a_second_title_answers_a_search_for_a_study_with_its_priors_best_first(site: Site) -> None:
    current, last, first = generate_uid(), generate_uid(), generate_uid()
    for study, day, words in ((current, "20260115", "WO"), (first, "20240101", ""), (last, "20260101", "")):
        about = {"StudyInstanceUID": study, "StudyDate": day, "StudyDescription": f"CT HEAD {words}"}
        keep(site.bank, a_file(PatientID="PRIOR", BodyPartExamined="", AccessionNumber=f"AC{words}", **about))
    association = associate(site, build_context(STUDY_FIND, EXPLICIT_LE), called="IMAGEBANK_PRIORS")
    by = {"StudyInstanceUID": current}, {"AccessionNumber": "ACWO", "StudyInstanceUID": ""}, {"PatientID": "PRIOR"}
    answers = [list(association.send_c_find(identifier("STUDY", **keys), STUDY_FIND)) for keys in by]
    below = list(association.send_c_find(identifier("SERIES", StudyInstanceUID=last), STUDY_FIND))
    association.release()

    assert [[one.StudyInstanceUID for _, one in found if one] for found in answers] == [[last, first]] * 2 + [[]]
    assert [int(found[-1][0].Status) for found in answers] == [0, 0, 0xA900]
    assert len([one for _, one in below if one]) == 1
