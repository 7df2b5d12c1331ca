"""Names in every character set of DICOM: found in their own script and folded, shown as they are written."""

import html
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import Dataset, dcmread

from bank import a_token, keep_paths
from imagebank.model.access import Role
from protocol.dicomweb_site import values
from protocol.dimse_peers import associate
from protocol.whole_site import Site, a_site, url_of
from samples import sample_data

STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
NAME, GROUPS = "00100010", ("Alphabetic", "Ideographic", "Phonetic")
# The two others have no UIDs.
FILES = [path for path in sorted((sample_data() / "charsets").glob("*.dcm")) if "SQEncoding" not in path.name]
EACH = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("charsets")) as found:
        yield found


@pytest.fixture
def site(shared: Site) -> Site:
    """Two samples have the same UIDs, so each test has the bank for itself."""
    shared.empty()
    return shared


def groups_of(path: Path) -> list[str]:
    """The name's component groups, as pydicom reads them: alphabetic, ideographic, phonetic."""
    name = dcmread(path).PatientName
    return [str(group) for group in (name.alphabetic, name.ideographic, name.phonetic)]


def questions(group: str) -> list[str]:
    """What a person may type who looks for this component group."""
    family, *given = [part for part in group.split("^") if part]
    folded = [group.lower(), group.upper(), unaccented(group), unicodedata.normalize("NFKC", group)]
    return [group, *folded, f"{family}*", f"{family[0]}*", f"?{group[1:]}", *(f"*{part}*" for part in given)]


def unaccented(text: str) -> str:
    """Without the accents that the samples have; letters of other scripts have none."""
    return text.translate(str.maketrans("éôÄäüή", "eoAauη"))


def search(site: Site, **keys: str) -> list[dict[str, Any]]:
    answer = site.http.get("/studies", params=keys)
    assert answer.status_code in (200, 204), answer.text
    return list(answer.json()) if answer.status_code == 200 else []


@EACH
def test_a_name_is_found_over_http_by_each_group_and_folded(site: Site, path: Path) -> None:
    (receipt,) = keep_paths(site.bank, [path])
    groups = [group for group in groups_of(path) if group]

    for asked in [question for group in groups for question in questions(group)]:
        assert [values(found, "0020000D") for found in search(site, PatientName=asked)] == [receipt.study], asked
    for group in groups:
        family = group.split("^")[0]
        assert search(site, PatientName=family[:2], fuzzymatching="true"), family
        assert not search(site, PatientName=f"x{group}")


@EACH
def test_a_name_is_found_by_dimse_in_its_own_character_set(site: Site, path: Path) -> None:
    keep_paths(site.bank, [path])
    stored = dcmread(path)
    question = Dataset()
    question.SpecificCharacterSet = stored.SpecificCharacterSet
    question.QueryRetrieveLevel = "STUDY"
    question.PatientName = stored.PatientName
    question.StudyInstanceUID = ""

    association = associate(site.dimse, STUDY_FIND)
    answers = [found for _, found in association.send_c_find(question, STUDY_FIND) if found is not None]
    association.release()

    assert [(found.PatientName, found.StudyInstanceUID) for found in answers] == [
        (stored.PatientName, stored.StudyInstanceUID)
    ]


@EACH
def test_a_name_is_shown_right_in_json(site: Site, path: Path) -> None:
    keep_paths(site.bank, [path])
    (instance,) = site.instances()
    expected = {name: text for name, text in zip(GROUPS, groups_of(path), strict=True) if text}

    (found,) = search(site, PatientID=str(dcmread(path).PatientID))
    (metadata,) = site.http.get(f"{url_of(instance)}/metadata").json()

    assert values(found, NAME) == expected
    assert values(metadata, NAME) == expected
    # Text of the answer is UTF-8, whatever the file is in.
    assert values(metadata, "00080005") == "ISO_IR 192"


@EACH
def test_every_other_text_is_shown_right_in_the_metadata(site: Site, path: Path) -> None:
    keep_paths(site.bank, [path])
    (instance,) = site.instances()
    (metadata,) = site.http.get(f"{url_of(instance)}/metadata").json()

    texts = [element for element in dcmread(path) if element.VR in ("LO", "SH", "ST", "LT", "UT") and element.value]
    assert texts
    for element in texts:
        written = element.value if element.VM > 1 else [element.value]
        assert metadata[f"{element.tag:08X}"]["Value"] == [str(one) for one in written]


@EACH
def test_the_study_list_shows_a_name_in_its_own_script(site: Site, path: Path) -> None:
    keep_paths(site.bank, [path])
    alphabetic, ideographic, _ = groups_of(path)

    with httpx.Client(base_url=site.url, headers={"Sec-Fetch-Site": "same-origin"}) as browser:
        token = a_token(site.bank, Role.CLINICIAN)
        signed_in = browser.post("/sign-in", data={"token": token}, headers={"Origin": site.url})
        assert signed_in.status_code == 303
        page = browser.get("/")

    (person,) = re.findall(r'<span class="person">(.*?)</span>', page.text, re.DOTALL)
    shown = html.unescape(re.sub(r"<[^>]*>", "", person))
    for part in [*alphabetic.split("^"), *ideographic.split("^")]:
        assert part in shown
    assert page.headers["content-type"] == "text/html; charset=utf-8"
