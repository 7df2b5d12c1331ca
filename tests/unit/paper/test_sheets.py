"""The sheets for a card and for a new account: complete in every language, readable by people and by cameras."""

import re
import runpy
import unicodedata
from dataclasses import fields, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
import zxingcpp
from babel.messages.pofile import read_po

from imagebank.paper import language as languages
from imagebank.paper.language import CATALOGUES, ENGLISH, known, moment, names, spoken
from imagebank.paper.sheets import (
    ActivationSheet,
    CardSheet,
    activation_pdf,
    activation_values,
    card_pdf,
    card_values,
    grouped,
)
from imagebank.paper.typeset import PaperSize, usual_paper

PLACE = re.compile(r"%\(\w+\)s")
ROOT = Path(__file__).parents[3]
PROMISED = {"en", "es", "de", "fr", "ar", "zh", "ja"}
ENDS = datetime(2026, 12, 11, 14, 5, tzinfo=UTC)
CARD = CardSheet(
    site="Northgate Regional Hospital",
    address="https://images.northgate.example/redeem",
    number="7K3QF9T2MX4ABZ0W",
    code="https://images.northgate.example/redeem#7K3QF9T2MX4ABZ0W",
    opens=("Images and reports of the head, October",),
    account_address="https://images.northgate.example/",
    ends_at=ENDS,
    person="Ada Byron",
)
ACTIVATION = ActivationSheet(
    site="Northgate Regional Hospital",
    address="https://images.northgate.example/open",
    account="4F7K2M9Q",
    secret="K3QF9T2MX4AB",
    code="https://images.northgate.example/open#4F7K2M9Q",
    ends_at=ENDS,
    person="Ada Byron",
    contact="+44 20 7946 0000",
)
NAMES = (
    "山田 太郎 国立がん研究センター",
    "한국병원",
    "Больница Νοσοκομείο Łódź Bệnh viện",
    "בית חולים عائشة بنت محمد",
    "โรงพยาบาล ໂຮງໝໍ មន្ទីរពេទ្យ ဆေးရုံ",
    "अस्पताल হাসপাতাল ਹਸਪਤਾਲ હોસ્પિટલ மருத்துவமனை",
    "ఆసుపత్రి ಆಸ್ಪತ್ರೆ ആശുപത്രി රෝහල",
    "հիվանդանոց საავადმყოფო ሆስፒታል",
)
LONG = "María del Pilar Constanza Fernández de la Vega y Sánchez-Albornoz, Freifrau von Hohenstein-Wittgensteinburg"


@cache
def printed(language: str, what: str) -> bytes:
    return card_pdf(CARD, language) if what == "card" else activation_pdf(ACTIVATION, language)


def text_of(pdf: bytes) -> str:
    """The letters of a PDF without spaces and marks of direction, which a reader places as it likes."""
    pages = [page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(pdf)]
    return bare("".join(pages))


def bare(text: str) -> str:
    kept = unicodedata.normalize("NFKC", re.sub(r"\W", "", text))
    return "".join(one for one in kept if unicodedata.category(one) != "Cf")


def sentences(value: Any) -> list[str]:
    """Every text that a template is given, but for the drawing of the code."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict) and "text" in value:
        return [value["text"]]
    if isinstance(value, dict):
        unread = ("code", "code_words", "language", "direction", "paper")
        return [one for key, part in value.items() if key not in unread for one in sentences(part)]
    return [one for part in value for one in sentences(part)]


def codes_of(pdf: bytes) -> list[str]:
    page = pypdfium2.PdfDocument(pdf)[0]
    return [found.text for found in zxingcpp.read_barcodes(page.render(scale=4, grayscale=True).to_numpy())]


def is_complete_for_readers(pdf: bytes) -> bool:
    """Whether it is PDF/UA-1, which no document is that has a letter without a font."""
    return b"pdfuaid:part" in pdf


def test_seven_languages_are_there() -> None:
    assert known() >= PROMISED
    assert ("ar", "العربية") in names()
    assert {spoken("de-AT"), spoken("zh_CN"), spoken("ar"), spoken("tlh")} == {"de", "zh", "ar", ENGLISH}


@pytest.mark.parametrize("language", sorted(known() - {ENGLISH}))
def test_every_text_is_translated_with_all_its_values(language: str) -> None:
    texts = {text for _, text, _ in runpy.run_path(str(ROOT / "docs/words.py"))["printed"]()}
    with (CATALOGUES / f"{language}.po").open("rb") as file:
        there = {one.id: str(one.string) for one in read_po(file, locale=language) if one.id}

    assert len(texts) > 30
    assert texts - {text for text, words in there.items() if words} == set(), "run `make words` and translate these"
    for text in texts:
        assert sorted(PLACE.findall(there[text])) == sorted(PLACE.findall(text)), text


@pytest.mark.parametrize("language", sorted(PROMISED))
@pytest.mark.parametrize("what", ["card", "activation"])
def test_a_sheet_says_everything_on_one_page_in_letters_that_its_fonts_have(language: str, what: str) -> None:
    pdf, values = printed(language, what), _values(language, what)
    text = text_of(pdf)

    assert len(pypdfium2.PdfDocument(pdf)) == 1
    assert is_complete_for_readers(pdf)
    for sentence in sentences(values):
        # pdfium turns lines around that are mostly Arabic, and says joined letters twice.
        assert set(bare(sentence)) <= set(text) if language == "ar" else bare(sentence) in text, sentence


def _values(language: str, what: str) -> dict[str, Any]:
    if what == "card":
        return card_values(CARD, language, PaperSize.A4)
    return activation_values(ACTIVATION, language, PaperSize.A4)


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_camera_reads_the_code_on_the_page_and_on_the_card(language: str) -> None:
    assert codes_of(printed(language, "card")) == [CARD.code, CARD.code]
    assert codes_of(printed(language, "activation")) == [ACTIVATION.code]


def test_a_long_code_is_read_too() -> None:
    code = "shlink:/" + "eyJ1cmwiOiJodHRwczovL2V4YW1wbGUub3JnIn0" * 8

    assert codes_of(card_pdf(replace(CARD, code=code), "en")) == [code, code]


def test_a_number_stands_from_left_to_right_in_arabic() -> None:
    page = pypdfium2.PdfDocument(printed("ar", "card"))[0].get_textpage()
    boxes = [(page.get_charbox(at), page.get_text_range(at, 1)) for at in range(page.count_chars())]
    large = sorted((left, one) for (left, bottom, _, top), one in boxes if top - bottom > 15 and one.isascii())

    assert "".join(one for _, one in large) == CARD.number


def test_no_sheet_has_a_place_for_a_pin() -> None:
    words = {word for kind in (CardSheet, ActivationSheet) for field in fields(kind) for word in field.name.split("_")}

    assert "pin" not in words
    assert set(re.findall(r"\d{4,}", text_of(printed("en", "card")))) == {f"{ENDS:%Y%H%M}"}


@pytest.mark.parametrize("given", NAMES)
def test_names_are_printed_in_every_script(given: str) -> None:
    assert is_complete_for_readers(card_pdf(replace(CARD, site=given, person=given), "en"))


def test_a_letter_without_a_font_and_what_turns_letters_around_stop_nothing() -> None:
    pdf = card_pdf(replace(CARD, person="Ada 😀 \u202e\x00\ud800 Byron #let *x*"), "en")

    assert "AdaByronletx" in re.sub(r"[^A-Za-z]", "", text_of(pdf))
    assert not is_complete_for_readers(pdf)


@pytest.mark.parametrize("language", ["en", "ar", "ja"])
@pytest.mark.parametrize("paper", list(PaperSize))
def test_long_names_and_longer_words_are_wrapped_and_nothing_is_cut(
    language: str, paper: PaperSize, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = languages._words(language)

    class Longer:
        def gettext(self, message: str) -> str:
            words = real.gettext(message)
            return words + " " + PLACE.sub("", words)[: int(len(words) * 0.4)]

    monkeypatch.setattr(languages, "_words", lambda _: Longer())
    address = f"https://bilder.{'universitaetsklinikum-' * 4}northgate.example/redeem"
    long = replace(CARD, site=LONG, person=LONG, address=address, opens=(LONG * 2,) * 3)
    document = pypdfium2.PdfDocument(card_pdf(long, language, paper))
    last = document[len(document) - 1]
    width, height = last.get_size()

    assert (round(width), round(height)) == ((595, 842) if paper is PaperSize.A4 else (612, 792))
    assert len(document) <= 2
    for page in document:
        found = page.get_textpage()
        boxes = [found.get_rect(number) for number in range(found.count_rects())]
        assert all(left > 20 and right < width - 20 and bottom > 20 for left, bottom, right, _ in boxes)
    assert len(zxingcpp.read_barcodes(last.render(scale=4, grayscale=True).to_numpy())) >= 1, "the card is whole"


def test_a_card_may_be_for_looking_only_and_without_an_end() -> None:
    text = text_of(card_pdf(replace(CARD, may_keep=False, ends_at=None, person=""), "en"))

    assert "Thiscarddoesnotletyoukeepacopy" in text
    assert "Canbeuseduntilyoutakeitback" in text
    assert "Cardof" not in text


def test_a_contact_is_named_when_there_is_one() -> None:
    without = activation_pdf(replace(ACTIVATION, contact="", person=""), "en")

    assert "YoureachNorthgate" in text_of(printed("en", "activation"))
    assert "YoureachNorthgate" not in text_of(without)


def test_numbers_are_shown_in_groups_of_four_or_in_their_own() -> None:
    assert grouped("7K3QF9T2MX4ABZ0W") == grouped("7K3Q F9T2 MX4A BZ0W") == ["7K3Q", "F9T2", "MX4A", "BZ0W"]
    assert grouped("K3QF-9T2") == ["K3QF", "9T2"]


def test_paper_is_that_of_the_country() -> None:
    assert usual_paper("en-US") == usual_paper("es_MX") == usual_paper("fr-CA") == PaperSize.LETTER
    assert usual_paper("en") == usual_paper("en-GB") == usual_paper("zh-Hans-CN") == PaperSize.A4


def test_days_are_written_in_the_way_of_the_language() -> None:
    assert moment("de", ENDS).startswith("Freitag, 11. Dezember 2026")
    assert moment("ja", ENDS).startswith("2026年12月11日金曜日")
    assert "14:05 UTC" in moment("ar", ENDS)


def test_a_sheet_of_the_same_values_is_the_same_file() -> None:
    assert card_pdf(CARD, "ar") == printed("ar", "card")
