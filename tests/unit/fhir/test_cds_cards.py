"""Cards in every language: short enough, and with the words of the site where it has its own."""

from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from imagebank.actions.repeat_check import Checked, Seen, Wish
from imagebank.exams.overriding import Overrides, Reason
from imagebank.fhir.cds_cards import Desk, card
from imagebank.http.tongue import Tongue
from imagebank.model.alert import Alert
from imagebank.model.exam import Exam, Factor, Group, Past, Repeat, Said, Side
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.portal import language

AT = datetime(2026, 3, 2, tzinfo=UTC)
KNEE = Exam(Group.XR, ("KNEE",), Side.LEFT)
ALL_OF_IT = Exam(Group.DENTAL, ("CORONARYARTERY", "CAROTID", "LSPINE", "TSPINE", "CSPINE", "WHOLEBODY"), Side.BOTH)
OVERRIDES = Overrides(
    system="urn:site",
    reason=(
        Reason(code="own", display="Own words", displays={"de": "Eigene Worte"}),
        Reason(code="other", display="Another reason"),
        Reason(code="gone", display="No more", offered=False),
    ),
)


END = {
    "en": "are here",
    "de": "sind hier",
    "es": "están aquí",
    "fr": "sont ici",
    "ar": "والصور هنا",
    "zh": "影像在这里",
    "ja": "画像はここにあります",
}


def desk(tag: str) -> Desk:
    return Desk("https://bank.example", "Imagebank", OVERRIDES, Tongue(*language.words_for(tag, ())))


def checked(exam: Exam = KNEE, days: int = 12, where: str = "north") -> Checked:
    alert = Alert("7d3b1a52-0000-4000-8000-000000000000", AT, "north", PatientId("north", "1"), Uid("1.2"), exam,
                  "20260302", days, "rule_1", "warn", "cds")  # fmt: skip
    past = Past("1.2", exam, AT.date(), where)
    factors = (Factor("region", 1.0, "KNEE", "KNEE"), Factor("age", 1.0, "", str(days)))
    return Checked(Wish(Said()), exam, alert, Repeat(past, days, "rule_1", "warn", factors), age=days)


@pytest.mark.parametrize("tag", sorted(language.known()))
@pytest.mark.parametrize("exam", [KNEE, ALL_OF_IT])
@pytest.mark.parametrize("where", ["", "north", "a hospital with a long name " * 6])
def test_a_summary_is_one_short_sentence_in_every_language(tag: str, exam: Exam, where: str) -> None:
    for days in (0, 1, 2, 3, 11, 100):
        summary = card(checked(exam, days, where), {"id": "o1"}, desk(tag))["summary"]

        # CDS Hooks 2.0, Card attributes: fewer than 140 characters.
        assert 0 < len(summary) < 140
        assert "%" not in summary
        assert "\n" not in summary
        assert summary.endswith(END[tag]), "and it says where the images are"


def test_a_card_speaks_the_language_that_it_is_asked_for() -> None:
    one = card(checked(), {"id": "o1"}, desk("de"))

    assert one["summary"] == "Röntgen Knie links wurde vor 12 Tagen gemacht (north): die Bilder sind hier"
    assert one["detail"].startswith(
        r"Es beantwortet, was angefordert ist: gleiche Region, 12 Tage älter. Regel: rule\_1."
    )
    assert [each["label"] for each in one["suggestions"]] == [
        "Diesen Auftrag absagen",
        "Den Auftrag behalten und die frühere Untersuchung zum Vergleich nennen",
    ]
    assert one["suggestions"][1]["actions"][0]["resource"]["supportingInfo"][0]["display"] == (
        "Röntgen Knie links, 2026-03-02"
    )
    assert [each["label"] for each in one["links"]] == ["Die Bilder öffnen", "Im Viewer öffnen"]
    assert [each["display"] for each in one["overrideReasons"]] == ["Eigene Worte", "Ein anderer Grund"]
    assert [each["display"] for each in card(checked(), {}, desk("fr"))["overrideReasons"]] == [
        "Own words",
        "Une autre raison",
    ]


def test_a_card_is_as_cds_hooks_has_it() -> None:
    draft = {"resourceType": "ServiceRequest", "id": "o1", "supportingInfo": [{"reference": "Observation/1"}]}
    one = card(checked(), draft, desk("en"))

    assert {*one} == {
        *("uuid", "summary", "detail", "indicator", "source", "suggestions", "selectionBehavior"),
        *("overrideReasons", "links"),
    }
    assert one["indicator"] in {"info", "warning", "critical"}
    assert one["selectionBehavior"] in {"at-most-one", "any"}
    assert {*one["source"]} == {"label", "url"}
    for link in one["links"]:
        # appContext is for SMART links alone.
        assert {*link} == {"label", "url", "type"}
        assert (link["type"], link["url"].startswith("https://")) == ("absolute", True)
    for reason in one["overrideReasons"]:
        assert {*reason} == {"code", "system", "display"}
    cancel, change = one["suggestions"]
    assert ({*cancel}, {*change}) == ({"label", "uuid", "isRecommended", "actions"}, {"label", "uuid", "actions"})
    (delete,), (update,) = cancel["actions"], change["actions"]
    assert ({*delete}, delete["type"]) == ({"type", "description", "resourceId"}, "delete")
    assert delete["resourceId"] == "ServiceRequest/o1"
    assert ({*update}, update["type"]) == ({"type", "description", "resource"}, "update")
    assert update["resource"]["supportingInfo"][0] == {"reference": "Observation/1"}
    assert nothing_empty(one)


def nothing_empty(value: object) -> bool:
    """Whether nothing in it is null or empty: what has no value is left out."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return bool(value) and all(map(nothing_empty, inner))
    return value is not None and value != ""


def test_an_order_without_a_name_is_not_acted_upon() -> None:
    assert all("actions" not in each for each in card(checked(), {}, desk("en"))["suggestions"])
    assert replace(desk("en"), site="x").say("100 %") == "100 %"


@pytest.mark.parametrize("where", ["Harbour", "an archive with a long name " * 6])
def test_a_card_about_an_exam_elsewhere_leads_to_the_page_that_fetches_it(where: str) -> None:
    one = checked()
    assert one.repeat is not None
    past = replace(one.repeat.past, archive=where)
    told = card(replace(one, repeat=replace(one.repeat, past=past), seen=(Seen(past, {}),)), {"id": "o1"}, desk("en"))

    had = "the images can be had" + (" from Harbour" if where == "Harbour" else "")
    assert told["summary"] == f"XR knee left was done 12 days ago, {had}"
    address = f"https://bank.example/archives/{quote(where, safe='')}/studies/1.2"
    assert [(each["label"], each["url"]) for each in told["links"]] == [("Fetch the images", address)]
    assert address in told["detail"]
