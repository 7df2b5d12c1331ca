"""Two studies side by side, in the viewer and in a quick look; and a quick look without any script."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from bank import bearer, keep, open_test_bank
from imagebank.actions import access, cards, first_looks, redeem, retrieve
from imagebank.actions.card_reach import Reach
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.dicom.sandbox import Sandbox
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.imaging import Selection
from imagebank.model.uid import Uid
from make import a_dataset, a_file, as_file
from unit.portal.browsing import Browser

AXIAL, SAGITTAL = [1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1]


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """Ada has three CTs, the newest with a scout and a film, a mammogram before them, and a report; Bob a CT elsewhere.

    Ophelia has two studies of photographs of her eyes, Xenia a film.
    """
    with open_test_bank(tmp_path_factory.mktemp("look")) as opened:
        for year, heights in ((6, (0, 3, 6, 9, 12)), (5, (0, 6, 12)), (4, (0, 6))):
            stack(opened, year, 2, heights, ImageOrientationPatient=AXIAL)
        scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "ImageOrientationPatient": SAGITTAL}
        stack(opened, 6, 1, range(9), SeriesDescription="Scout", **scout)
        film = {"NumberOfFrames": 4, "PixelData": bytes(4 * 128), "RecommendedDisplayFrameRate": 15}
        stack(opened, 6, 3, [None, None], SeriesDescription="", Modality="XA", WindowCenter="", **film)
        for year in (3, 2):
            for place, view in enumerate(("CC", "MLO") if year == 3 else ("MLO", "CC"), 1):
                stack(opened, year, 1, [None], Modality="MG", ViewPosition=view, InstanceNumber=place)
        for year, eyes in ((8, "RRL"), (7, "LRR")):
            for place, eye in enumerate(eyes, 1):
                photo = {"Modality": "OP", "PatientID": "OPHELIA", "ImageLaterality": eye, "InstanceNumber": place}
                stack(opened, year, 1, [None], **photo)
        loop = {**film, "NumberOfFrames": 7, "PixelData": bytes(7 * 128), "PatientID": "XENIA"}
        stack(opened, 10, 1, [None], **loop, Modality="XA", StudyDate="20100101")
        report = a_dataset(StudyInstanceUID="1.1", PatientID="ADA", StudyDate="20010101")
        report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
        del report.PixelData
        keep(opened, as_file(report))
        keep(opened, a_file(StudyInstanceUID="1.9", PatientID="BOB"))
        yield opened


def stack(bank: Bank, study: int, number: int, heights: Any, **given: Any) -> None:
    about = {
        "PatientID": "ADA",
        "PatientName": "Lovelace^Ada",
        "StudyDescription": f"Exam {study}",
        "StudyDate": f"200{study}0101",
    }
    named = {"StudyInstanceUID": f"1.{study}", "SeriesInstanceUID": f"1.{study}.{number}", "SeriesNumber": number}
    shared = {"SeriesDescription": "Head", "WindowCenter": 40, "WindowWidth": 80, **about, **named}
    for place, z in enumerate(heights, 1):
        ds = a_dataset(**{**shared, "InstanceNumber": place, **given})
        if z is not None:
            ds.ImagePositionPatient, ds.PixelSpacing, ds.FrameOfReferenceUID = [0, 0, z], [1, 1], "1.99"
        keep(bank, as_file(ds))


@pytest.fixture(scope="module")
def browser(bank: Bank) -> Browser:
    return signed_in(bank)


def signed_in(bank: Bank, organization: str = "") -> Browser:
    browser = Browser(web_application(bank))
    browser.post("/sign-in", {"token": access.issue_token(bank, Role.CLINICIAN, organization)})
    return browser


def look(browser: Browser, query: str = "", study: str = "1.6") -> str:
    answer = browser.get(f"/studies/{study}/look{query}")
    assert answer.status_code == 200, answer.text
    return unescape(answer.text)


def pictures(page: str) -> list[str]:
    """What the page shows first: series, frame and window of each pane."""
    found = re.findall(
        r'<img src="/dicom-web/studies/[0-9.]+/series/([0-9.]+)/instances/[0-9.]+/frames/(\d+)/rendered\?quality=90([^"]*)"',
        page,
    )
    return [" ".join(filter(None, one)) for one in found]


def places(page: str) -> list[str]:
    return re.findall(r"data-place>Image (\d+ of \d+)<", page)


def test_the_longest_series_is_looked_at_in_its_middle(browser: Browser) -> None:
    page = look(browser)

    assert pictures(page) == ["1.6.1 1"]
    assert places(page) == ["5 of 9"]
    assert "CT Scout, image 5 of 9" in page
    assert 'data-made="40,80"' in page


def test_links_lead_from_image_to_image_and_end_at_the_ends(browser: Browser) -> None:
    first, last = look(browser, "?series=1.6.2&n=1"), look(browser, "?series=1.6.2&n=99")

    assert 'rel="prev"' not in first
    assert 'href="/studies/1.6/look?series=1.6.2&n=2" rel="next"' in first
    assert places(last) == ["5 of 5"]
    assert 'rel="next"' not in last
    assert 'href="/studies/1.6/look?series=1.6.2&n=4" rel="prev"' in last
    assert places(look(browser, "?series=1.6.2&n=x")) == ["3 of 5"]


def test_a_film_is_chosen_by_itself_and_knows_its_pace(browser: Browser) -> None:
    page = look(browser, "?series=1.6.3&n=3")

    assert re.findall(r"<option[^>]*>([^<]*)<", page) == [
        "Scout · 9",
        "Head · 5",
        "Series 3 (1) · 4",
        "Series 3 (2) · 4",
    ]
    assert pictures(page) == ["1.6.3 3"]
    assert 'data-rate="15.0"' in page
    assert "data-made" not in page
    assert 'id="windows"' not in page


def test_windows_of_ct_are_chosen_by_links(browser: Browser) -> None:
    page = look(browser, "?series=1.6.2&window=bone")

    assert pictures(page) == ["1.6.2 1 &window=500,2000,linear"]
    assert 'href="/studies/1.6/look?series=1.6.2&n=3&window=lung"' in page
    assert re.search(r'aria-current="true" data-values="500,2000">Bone', page)
    assert pictures(look(browser, "?series=1.6.2&window=odd")) == ["1.6.2 1"]


def test_beside_a_prior_hangs_what_shows_the_same_and_its_image_is_in_the_same_place(browser: Browser) -> None:
    page = look(browser, "?prior=1.5")

    assert pictures(page) == ["1.6.2 1", "1.5.2 1"]
    assert places(page) == ["3 of 5", "2 of 3"]
    assert re.findall(r'data-links="([^"]*)"', page) == ["[0, 0, 1, 1, 2]", "[0, 2, 4]"]
    assert places(look(browser, "?prior=1.5&n=5")) == ["5 of 5", "3 of 3"]
    assert 'href="/compare?study=1.6&study=1.5"' in page
    assert "On screen now" in page
    assert "Linked by place in the body" in page


def test_ways_lead_to_the_next_prior_and_back_and_to_the_study_alone(browser: Browser) -> None:
    alone, first, second = (look(browser, query) for query in ("?series=1.6.2", "?prior=1.5", "?prior=1.4"))

    assert 'look?series=1.6.2&n=3&prior=1.5" data-shortcut="]"' in alone
    assert 'data-shortcut="["' not in alone + first
    assert 'data-shortcut="c" href="/studies/1.6/look?series=1.6.2&n=3&prior=1.5">Beside prior' in alone
    assert 'data-shortcut="v" href="/viewer/viewer?StudyInstanceUIDs=1.6' in alone
    assert 'data-shortcut="c" href="/compare?study=1.6&study=1.5">Open both in viewer' in first
    assert 'look?series=1.6.2&n=3&prior=1.4" data-shortcut="]"' in first
    assert 'look?series=1.6.2&n=3&prior=1.5" data-shortcut="["' in second
    assert '<a class="button" href="/studies/1.6/look?series=1.6.2&n=3">Without a prior' in second


def test_views_of_a_breast_hang_with_their_like(browser: Browser) -> None:
    assert places(look(browser, "?prior=1.2", "1.3")) == ["1 of 2", "2 of 2"]
    assert places(look(browser, "?prior=1.2&n=2", "1.3")) == ["2 of 2", "1 of 2"]
    assert places(look(browser, "?series=1.3.1&prior=1.2&prior_series=1.2.1", "1.3")) == ["1 of 2", "2 of 2"]


def test_another_series_of_the_current_study_finds_its_like_anew(browser: Browser) -> None:
    current, prior = look(browser, "?series=1.6.2&prior=1.5&prior_series=1.5.2").split('class="choices"')[1:]

    assert 'name="prior" value="1.5"' in current
    assert 'name="prior_series"' not in current
    assert 'name="series" value="1.6.2"' in prior


def test_what_has_no_picture_is_said_in_words(browser: Browser) -> None:
    for query in ("/studies/1.1/look", "/studies/1.6/look?prior=1.1"):
        answer = browser.get(query)
        assert answer.status_code == 422 or answer.status_code >= 400
        assert "no picture in this study" in answer.text


def test_what_is_not_for_the_caller_is_not_there(bank: Bank, browser: Browser) -> None:
    stranger = signed_in(bank, "east")

    for path in ("/studies/{}/look", "/compare/open?study=1.6&study={}"):
        seen, missing = (stranger.get(path.format(study)) for study in ("1.5", "1.77"))
        assert (seen.status_code, seen.text) == (missing.status_code, missing.text)
        assert seen.status_code == 404
    assert browser.get("/studies/1.6/look?prior=1.77").status_code == 404
    assert browser.get("/studies/1.6/look?prior=odd").status_code == 400


def test_who_was_let_in_by_a_card_compares_what_it_opens_and_nothing_else(bank: Bank) -> None:
    keeper = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], Scope(None))
    made = cards.issue(bank, cards.Wanted(Reach(studies=(Uid("1.6"), Uid("1.5")))), keeper)
    claim = redeem.Claim(made.number, made.pin, "Dr Kato", "Quay Street Clinic", "second opinion")
    recipient = Browser(web_application(bank))
    given = bearer(redeem.for_program(bank, claim).secret)

    page = recipient.get("/studies/1.6", given).text
    assert re.findall(r'href="/studies/1.6/look\?prior=([0-9.]+)"', page) == ["1.5"]
    assert 'href="/studies/1.6/look"' in recipient.get("/shared", given).text
    for path in ("/studies/1.6/look?prior={}", "/compare?study=1.6&study={}", "/compare/open?study=1.6&study={}"):
        assert recipient.get(path.format("1.5"), given).status_code in {200, 303}
        assert recipient.get(path.format("1.4"), given).status_code == 404
    assert recipient.get("/compare/open?study=1.6&study=1.5", given).json()["place"] == "Prior 1 of 1"


def test_the_page_has_the_policy_of_other_pages_and_asks_only_us(browser: Browser) -> None:
    answer = browser.get("/studies/1.6/look?prior=1.5")

    assert answer.headers["content-security-policy"].endswith("connect-src 'self'")
    assert not re.search(r"<script(?! src=)|\sstyle=|\son\w+=", answer.text)


def test_the_viewer_opens_with_the_series_that_the_bank_chose(browser: Browser) -> None:
    there, swapped = (
        browser.get(f"/compare?study=1.5&study=1.6{more}").headers["location"] for more in ("", "&swapped=1")
    )

    assert there.endswith("initialSeriesInstanceUID=1.6.2,1.5.2")
    assert "StudyInstanceUIDs=1.5,1.6&" in swapped
    assert swapped.endswith("initialSeriesInstanceUID=1.5.2,1.6.2")


def test_mammograms_open_with_each_view_above_the_same_view(bank: Bank, browser: Browser) -> None:
    there, swapped = (
        browser.get(f"/compare?study=1.3&study=1.2{more}").headers["location"] for more in ("", "&swapped=1")
    )
    images = re.findall(r"[0-9.]{9,}", there.partition("compare&initialSOPInstanceUID=")[2])
    shown = {one.uid: one.number for one in retrieve.select(bank, Selection(Uid("1.3")), Scope(None))}

    assert [shown.get(Uid(one)) for one in images] == [1, 2, None, None]
    assert swapped.endswith("initialSOPInstanceUID=" + ",".join(images[2:] + images[:2]))


def test_of_photographs_of_both_eyes_the_same_eye_is_beside_it_and_of_films_the_first_image(browser: Browser) -> None:
    assert places(look(browser, "?prior=1.7", "1.8")) == ["1 of 3", "2 of 3"]
    assert places(look(browser, "?prior=1.7&n=2", "1.8")) == ["2 of 3", "3 of 3"]
    assert places(look(browser, "?prior=1.7&n=3", "1.8")) == ["3 of 3", "1 of 3"]
    assert "Linked by side and view" in look(browser, "?prior=1.7", "1.8")
    assert places(look(browser, "?series=1.6.3&prior=1.10&prior_series=1.10.1", "1.6")) == ["1 of 4", "1 of 7"]


def test_the_bar_above_the_viewer_says_what_is_where_and_leads_on(browser: Browser) -> None:
    told = browser.get("/compare/open?study=1.6&study=1.5").json()
    swapped = browser.get("/compare/open?study=1.4&study=1.6").json()
    unranked = browser.get("/compare/open?study=1.6&study=1.9").json()

    assert [(one["tag"], one["words"]) for one in told["panes"]] == [
        ("Current", "1 Jan 2006 · Exam 6"),
        ("Prior", "1 Jan 2005 · Exam 5"),
    ]
    assert told["place"] == "Prior 1 of 4"
    assert [(way["key"], way["address"]) for way in told["ways"]] == [
        ("]", "/compare?study=1.6&study=1.4"),
        ("x", "/compare?study=1.6&study=1.5&swapped=1"),
        ("", "/studies/1.6"),
    ]
    assert [one["is_current"] for one in swapped["panes"]] == [False, True]
    assert swapped["ways"][0]["address"] == "/compare?study=1.6&study=1.5&swapped=1"
    assert [way["key"] for way in unranked["ways"]] == ["x", ""]
    assert browser.get("/compare/open?study=1.6").status_code == 400


def test_a_study_page_lists_the_earlier_ones_and_opens_each_beside(browser: Browser) -> None:
    page = unescape(browser.get("/studies/1.6").text)

    assert 'aria-keyshortcuts="c" href="/compare?study=1.6&study=1.5"' in page
    assert re.findall(r'href="/studies/1.6/look\?prior=([0-9.]+)"', page)[:2] == ["1.5", "1.4"]
    assert "same modality, 12 months older" in page


def test_what_was_made_ready_is_all_that_the_first_look_asks_for(bank: Bank) -> None:
    large = a_file(
        StudyInstanceUID="1.6", SeriesInstanceUID="1.6.9", PatientID="ADA", Rows=1, Columns=1100, PixelData=bytes(2200)
    )
    keep(bank, large)
    first_looks.make(bank, bank.index.instances(Selection(study=Uid("1.6")), Scope(None)), 99)
    closed = Sandbox(decoders=1)
    closed.close()
    browser = signed_in(replace(bank, sandbox=closed))
    asked = [*pictures_of(look(browser)), *pictures_of(look(browser, "?series=1.6.9"))]
    asked += thumbnails_of(browser.get("/studies/1.6").text)
    as_a_browser = {"Accept": "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"}
    answers = [browser.get(unescape(address), headers=as_a_browser) for address in asked]

    assert len(asked) == 6
    assert {(one.status_code, one.headers["content-type"]) for one in answers} == {(200, "image/jpeg")}
    assert browser.get(asked[0] + "&window=9,9,linear").status_code == 503


def pictures_of(page: str) -> list[str]:
    return re.findall(r'<img src="(/dicom-web/[^"]*/rendered[^"]*)"', page)


def thumbnails_of(page: str) -> list[str]:
    return re.findall(r'<img src="(/dicom-web/studies/1\.6/[^"]*thumbnail[^"]*)"', page)
