"""The living style page: every part that pages are made of, in every state, by the macros that the pages use."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.model.access import Principal
from imagebank.model.card import State as CardState
from imagebank.model.order import Code, Order, Ordered, Patient, State
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind as Decided
from imagebank.model.provision import Provision
from imagebank.model.timeline import Kind
from imagebank.portal import wording
from imagebank.portal.arrivals import Arrival
from imagebank.portal.beside import Beside, EarlierRow
from imagebank.portal.card_words import GLYPHS
from imagebank.portal.card_words import Shown as Card
from imagebank.portal.doses import Line, OfPerson, OfStudy
from imagebank.portal.doses import Row as DoseRow
from imagebank.portal.finding import Choice
from imagebank.portal.language import gettext
from imagebank.portal.layout import for_the_signed_in, page
from imagebank.portal.look import DENSITIES, THEMES, Look
from imagebank.portal.my import Choice as Owned
from imagebank.portal.my import Exam
from imagebank.portal.my_dose import Year
from imagebank.portal.proposed import Shown
from imagebank.portal.rows import StudyRow
from imagebank.portal.shell import Tab
from imagebank.portal.timeline import LaneRow, Mark, Row

_WAYS: Final = ("ltr", "rtl")
_LONG: Final = "Fernández-Montesinos y Ruiz de Villalobos, María del Carmen Guadalupe"
_ARABIC: Final = "أمينة بنت عبد الرحمن الحداد"


def _studies() -> list[StudyRow]:
    """One as most are, one that is long in everything, and one of which nothing is known."""
    usual = StudyRow(
        uid="1.2.3",
        patient=wording.Name("Haddad, Amina", _ARABIC),
        patient_id="HX-204 118",
        issuer="st-brigid",
        born="19840512",
        age="42 y",
        sex=wording.sex("F"),
        date="20261011",
        time="1420",
        modalities=("MR",),
        is_picture=False,
        description="Brain MR, T1 sagittal and diffusion",
        accession="A-2026-1184",
        series=3,
        instances=39,
    )
    long = replace(usual, patient=wording.Name(_LONG), modalities=("CT", "PT", "SR"), description="Whole body, " * 12)
    bare = StudyRow("1.2.4", wording.Name(gettext("No name")), "", "", "", "", "", "", "", (), False, "", "", 1, 1)
    return [usual, long, bare]


def _proposals() -> list[Shown]:
    return [
        Shown("Body part", "Eye", 5, "order of that visit", is_sure=True, is_word=False),
        Shown("Description", _LONG, 2, "name of the folder", is_sure=False, is_word=False),
    ]


def _lanes() -> list[LaneRow]:
    kinds = list(Kind) * 5
    marks = tuple(Mark(f"{7 * number}.0%", kind, number > 6) for number, kind in enumerate(kinds[:14]))
    return [
        LaneRow("Head", "?", 14, is_on=False, marks=marks),
        LaneRow(_ARABIC, "?", 12_430, is_on=True, marks=marks[5:]),
        LaneRow("Not said", "?", 0, is_on=False, marks=()),
    ]


_ASKED: Final = datetime(2026, 10, 11, 14, 20, tzinfo=UTC)


def _rows() -> list[Row]:
    usual, long, bare = _studies()
    return [
        Row(usual, "Radiology, St. Brigid", 1, "complete", ""),
        Row(long, f"Department of {_LONG}", 0, "arriving", "214 of 320"),
        Row(usual, "Emergency, St. Brigid", 2, "missing", "2 objects are missing"),
        Row(bare, "", 0, "", ""),
    ]


def _besides() -> list[Beside]:
    """One with earlier studies, and one of which nothing is known."""
    usual, long, bare = _studies()
    found = (EarlierRow(usual, "same region, same modality, 14 days older"), EarlierRow(long, "other region"))
    arriving = replace(long, is_picture=False, state="arriving", state_words="214 of 320")
    away = EarlierRow(replace(usual, is_picture=False), "same region", "Harbour PACS", _ASKED)
    silent = (("Quay Street PACS", _ASKED),)
    return [
        Beside(arriving, _LONG, (*found, EarlierRow(bare, ""), away), 12_430, silent=silent),
        Beside(bare, "", (), 0),
    ]


def _arrivals() -> list[Arrival]:
    """Missing with all there is to say, arriving, complete, settled, unknown; the first one also as never come."""
    missing = Arrival(
        "1.2.3",
        "missing",
        "2 objects are missing",
        "2 of 8 images have not come. The other 6 can be seen.",
        ("Series 3: 2 of 8 images missing. So says the device MR-1.", "So say the images that are here."),
        "Send the study again from MR-1; what is here already is not kept twice.",
        patient_id="HX-204 118",
        issuer="st-brigid",
        accession="A-2026-1184",
        modalities=("MR",),
        date="20261011",
    )
    kinds = (("arriving", "Still arriving: 214 of 320 images are here."), ("complete", "Complete."), ("", "Not said."))
    others = [Arrival("1.2.4", kind, "", sentence) for kind, sentence in kinds]
    settled = Arrival(
        "1.2.5", "complete", "", "", settled="Ada said on 11 Oct 2026 that there is no more.", reason=_LONG
    )
    return [missing, *others, settled]


def _order(now: datetime) -> Order:
    patient = Patient(PatientId("st-brigid", "HX-204 118"))
    procedure = Ordered(Code("", "MR of the left knee with contrast"))
    return Order("st-brigid", patient, now, State.SCHEDULED, "P-7", scheduled_at="20261201", ordered=procedure)


def _emergencies(now: datetime) -> list[Provision]:
    end = now + timedelta(minutes=59)
    patient = PatientId("st-brigid", "HX-204 118")
    return [Provision("1", Decided.EMERGENCY, permits=True, patient=patient, starts_at=now, ends_at=end)]


def _exams() -> list[Exam]:
    usual, long, bare = _studies()
    return [
        Exam(usual, "MRI of the head", "Sun, Oct 11, 2026", "St. Brigid", "", 1, "", ""),
        Exam(
            long,
            "PET and CT of the whole body, the neck, the chest",
            "Sun, Oct 11, 2026",
            _LONG,
            _LONG,
            2,
            "missing",
            "",
        ),
        Exam(bare, "Images", "no date", "", "", 0, "arriving", "214 of 320"),
    ]


def _doses() -> dict[str, Any]:
    """What pages say of the dose of a study and of a person."""
    sources = ("AAPM Report 96 (2008), table 3",)
    lines = (Line("Dose length product", "400 mGy·cm", "dose report"), Line("CTDIvol, the largest", "8 mGy", "images"))
    rows = (DoseRow("CT", 4, "23 mSv", "9%"), DoseRow("XR", 2, "0.1 mSv", "100%"))
    return {
        "dose_of_study": OfStudy("5.6 mSv", "from the dose length product", lines, sources, True, True),
        "dose_of_person": OfPerson(
            DoseRow("", 6, "23 mSv", "9%"), rows, (DoseRow("2026", 6, "23 mSv", "9%"),), 1, 0, sources
        ),
    }


def _cards() -> list[Card]:
    """A card just made, and one in each other state."""
    first = Card("1", "", CardState.WORKS, "Works", GLYPHS[CardState.WORKS], "Dr Okafor", "1 Dec 2026", "2 exams")
    others = [replace(first, state=one, state_words=str(one), glyph=GLYPHS[one], title=_LONG) for one in CardState]
    return [replace(first, number="7K2M 9QXD 4TRB H0VW"), *(replace(one, recipient=_ARABIC) for one in others)]


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """The parts, in the theme, density and direction that the address names."""
    chosen = {name: request.query_params.get(name, "") for name in ("theme", "density", "dir")}
    given = {"theme": THEMES, "density": DENSITIES, "dir": _WAYS}
    look = {name: chosen[name] if chosen[name] in known else known[0] for name, known in given.items()}
    now = datetime(2026, 10, 11, 14, 20, tzinfo=UTC)
    choices = [
        Choice("MR", "f0.0", "modality=MR", 214, is_on=True),
        Choice("CT", "f0.1", "modality=CT", 12_430, is_on=False),
        Choice(_ARABIC, "f0.2", "department=x", 0, is_on=False),
    ]
    return page(
        request,
        "design.html",
        principal=principal,
        look=Look(look["theme"], look["density"]),
        shown=look,
        looks=given,
        studies=_studies(),
        glasses=_emergencies(now),
        now=now,
        choices=choices,
        lanes=_lanes(),
        proposed_values=_proposals(),
        rows=_rows(),
        besides=_besides(),
        order=_order(now),
        exams=_exams(),
        bank_cards=_cards(),
        **_doses(),
        shown_years=[
            Year("2024", 7.2, "7.2", "", ""),
            Year("2025", 0.02, "0.02", "", ""),
            Year("2026", 3.1, "3.1", "", ""),
        ],
        owned=[
            Owned("", "", is_current=False),
            Owned("a", "Amina", is_current=True),
            Owned("b", _LONG, is_current=False),
        ],
        owner_tabs=[
            Tab("/design", "images-fill", "Images", is_current=True),
            Tab("/design", "list-dashes", "Statement", is_current=False),
        ],
        arrivals=_arrivals(),
        long_name=_LONG,
        arabic=_ARABIC,
    )


ROUTES: Final[list[BaseRoute]] = [Route("/design", show, methods=["GET"])]
