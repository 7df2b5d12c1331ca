"""A doctor's system signs an order by CDS Hooks and is told what was done already; nobody else is told anything."""

import base64
import hmac
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from bank import SOURCE, a_token, bearer, keep, open_test_bank
from imagebank.actions import account, consent
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.fhir import cds_cards, cds_orders
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.alert import Change, Outcome
from imagebank.model.event import Act
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.uid import Uid
from make import a_file
from unit.portal.browsing import SITE, Browser

EHR = "https://ehr.example"
KEYS = f"{EHR}/jwks.json"
KEY = ECKey.generate_key("P-384", {"kid": "k1", "use": "sig"})
OTHER = ECKey.generate_key("P-384", {"kid": "k1"})
MRN = "http://north.example/mrn"
SIGN = f"{SITE}/cds-services/repeat-check-sign"
SELECT = f"{SITE}/cds-services/repeat-check-select"
CLIENTS = f"""
[[client]]
name = "north-ehr"
iss = "{EHR}"
organization = "north"
jwks = {{ keys = [{{ kty = "EC", kid = "k1", crv = "P-384", x = "{KEY.as_dict()["x"]}", y = "{KEY.as_dict()["y"]}" }}] }}
fhir_servers = ["{EHR}/fhir"]
systems = {{ "{MRN}" = "north" }}

[[client]]
name = "other-ehr"
iss = "https://other.example"
organization = "north"
jku = "{KEYS}"
systems = {{ "{MRN}" = "north" }}

[[client]]
name = "strict-ehr"
iss = "https://strict.example"
organization = "north"
only_users = true
jwks = {{ keys = [{{ kty = "EC", kid = "k1", crv = "P-384", x = "{KEY.as_dict()["x"]}", y = "{KEY.as_dict()["y"]}" }}] }}
systems = {{ "{MRN}" = "north" }}
[client.users]
"Practitioner/1" = "Dr Grey"
"Practitioner/2" = "Dr Varga"
"Practitioner/3" = "Referring"
"Practitioner/4" = "locked"

[[client]]
name = "french-ehr"
iss = "https://fr.example"
organization = "north"
language = "fr"
jwks = {{ keys = [{{ kty = "EC", kid = "k1", crv = "P-384", x = "{KEY.as_dict()["x"]}", y = "{KEY.as_dict()["y"]}" }}] }}
systems = {{ "{MRN}" = "north" }}
"""
TODAY = datetime.now(UTC)
PATIENT = {"resourceType": "Patient", "id": "p1", "identifier": [{"system": MRN, "value": "ANA"}]}


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    folder = tmp_path_factory.mktemp("cds")
    (folder / "clients.toml").write_text(CLIENTS)
    given = {"organization": "north", "public_url": SITE, "cds_clients_file": folder / "clients.toml"}
    with open_test_bank(folder, **given, cors_origins=["https://ehr.example"]) as opened:
        day = f"{TODAY - timedelta(days=12):%Y%m%d}"
        about = {"StudyDescription": "CT abdomen | with contrast", "PatientName": "Doe^Ana", "BodyPartExamined": ""}
        for owner, study in (("north", "1.2.3"), ("south", "1.2.4")):
            ids = {"PatientID": "ANA", "IssuerOfPatientID": owner, "StudyInstanceUID": study, "StudyDate": day}
            keep(opened, a_file(**ids, **about), source=replace(SOURCE, organization=owner))
        yield opened


@pytest.fixture(scope="module")
def browser(bank: Bank) -> Browser:
    return Browser(web_application(bank))


def signed(audience: str = SIGN, key: Any = KEY, alg: str = "ES384", header: Any = None, **claims: Any) -> str:
    now = int(datetime.now(UTC).timestamp())
    said = {"iss": EHR, "aud": audience, "iat": now, "exp": now + 300, "jti": str(uuid.uuid4()), **claims}
    given = {"alg": alg, "kid": key.kid or "k1", "typ": "JWT", **(header or {})}
    head, body = ({name: value for name, value in one.items() if value is not None} for one in (given, said))
    return jwt.encode(head, body, key, [alg])


def an_order(text: str = "CT abdomen with contrast", number: str = "o1", **more: Any) -> dict[str, Any]:
    subject = {"reference": "Patient/p1"}
    return {
        "resourceType": "ServiceRequest",
        "id": number,
        "status": "draft",
        "intent": "order",
        "subject": subject,
        "code": {"text": text},
        **more,
    }


def a_call(*orders: Any, hook: str = "order-sign", **more: Any) -> dict[str, Any]:
    drafts = {"resourceType": "Bundle", "entry": [{"resource": one} for one in orders or (an_order(),)]}
    context = {"userId": "Practitioner/grey", "patientId": "p1", "draftOrders": drafts, **more.pop("context", {})}
    prefetch = more.pop("prefetch", {"patient": PATIENT})
    return {"hook": hook, "hookInstance": str(uuid.uuid4()), "context": context, "prefetch": prefetch, **more}


def called(
    browser: Browser, body: Any, token: str | None = None, address: str = SIGN, language: str = ""
) -> httpx.Response:
    text = body if isinstance(body, str) else json.dumps(body)
    asked = {"Accept-Language": language} if language else {}
    return browser.ask("POST", address, bearer(token or signed(address)) | asked, content=text)


def cards(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert set(found) == {"cards"}
    return list(found["cards"])


def test_the_services_are_told_to_anybody(browser: Browser) -> None:
    found = browser.get("/cds-services")

    assert found.status_code == 200
    assert [(one["id"], one["hook"]) for one in found.json()["services"]] == [
        ("repeat-check-select", "order-select"),
        ("repeat-check-sign", "order-sign"),
    ]
    fields = {"hook", "id", "title", "description", "prefetch", "usageRequirements"}
    assert all({*one} == fields and all(one.values()) for one in found.json()["services"])
    assert all(one["prefetch"] == {"patient": "Patient/{{context.patientId}}"} for one in found.json()["services"])


def test_an_order_is_signed_and_its_card_says_what_was_done(browser: Browser) -> None:
    (card,) = cards(called(browser, a_call()))

    assert card["summary"] == "CT abdomen was done 12 days ago at north: the images are here"
    assert card["indicator"] == "warning"
    assert card["source"]["label"] == "Imagebank"
    assert card["selectionBehavior"] == "at-most-one"
    assert card["links"][0] == {"label": "Open the images", "url": f"{SITE}/studies/1.2.3", "type": "absolute"}
    assert "clinical-change" in {one["code"] for one in card["overrideReasons"]}
    assert all(set(one) == {"code", "system", "display"} for one in card["overrideReasons"])
    assert r"[CT abdomen \| with contrast](http://bank.example/studies/1.2.3)" in card["detail"]
    assert "1.2.4" not in card["detail"]
    assert "Doe" not in json.dumps(card)
    cancel, change = card["suggestions"]
    assert cancel["actions"][0]["resourceId"] == "ServiceRequest/o1"
    assert change["actions"][0]["resource"]["supportingInfo"][0]["identifier"]["value"] == "urn:oid:1.2.3"
    assert change["actions"][0]["resource"]["id"] == "o1"


def test_a_card_is_in_the_language_of_the_call_else_of_the_client_else_of_the_site(
    bank: Bank, browser: Browser
) -> None:
    french = {"iss": "https://fr.example"}
    site = Browser(web_application(replace(bank, settings=replace(bank.settings, language="es"))))
    told = {
        "ja": called(browser, a_call(), language="nl, ja;q=0.5"),
        "de": called(browser, a_call(), signed(**french), language="de-AT"),
        "fr": called(browser, a_call(), signed(**french), language="nl"),
        "es": called(site, a_call()),
        "en": called(browser, a_call()),
    }

    assert {tag: one.headers["content-language"] for tag, one in told.items()} == {tag: tag for tag in told}
    assert {tag: cards(one)[0]["links"][0]["label"] for tag, one in told.items()} == {
        "ja": "画像を開く",
        "de": "Die Bilder öffnen",
        "fr": "Ouvrir les images",
        "es": "Abrir las imágenes",
        "en": "Open the images",
    }


def test_the_link_of_a_card_opens_the_images_for_who_may_see_them(bank: Bank, browser: Browser) -> None:
    (card,) = cards(called(browser, a_call()))
    address = card["links"][0]["url"]
    doctor, stranger = (a_token(bank, Role.CLINICIAN, organization=name) for name in ("north", "east"))

    assert browser.get(address).headers["location"] == "/sign-in"
    assert browser.get(address, bearer(doctor)).status_code == 200
    assert browser.get(address, bearer(stranger)).status_code == 404


def test_a_card_gives_no_exam_away_that_the_patient_denies(bank: Bank, browser: Browser) -> None:
    denied = Provision(
        "",
        Kind.CONSENT,
        permits=False,
        patient=PatientId("north", "ANA"),
        organization="north",
        starts_at=TODAY - timedelta(days=1),
    )
    officer = Principal("officer", Role.ADMIN, "north", RIGHTS[Role.ADMIN], Scope(None))
    made = consent.decide(bank, denied, officer)
    nobody = {**PATIENT, "identifier": [{"system": MRN, "value": "NOBODY"}]}
    hidden, unknown = (called(browser, a_call(prefetch={"patient": one})) for one in (PATIENT, nobody))
    consent.revoke(bank, made.id, officer)

    assert (hidden.status_code, hidden.content) == (unknown.status_code, unknown.content)
    assert hidden.json() == {"cards": []}
    assert set(hidden.headers) == set(unknown.headers)
    assert len(cards(called(browser, a_call()))) == 1


OFFICER = Principal("officer", Role.ADMIN, "north", RIGHTS[Role.ADMIN], Scope(None))


@contextmanager
def decided(bank: Bank, name: str, kind: Kind, *, permits: bool, owner: str = "north") -> Iterator[None]:
    """While something is decided for somebody by name about ANA's studies of an organization."""
    made = Provision("", kind, permits, PatientId(owner, "ANA"), TODAY - timedelta(days=1), principal=name)
    one = consent.decide(bank, made, OFFICER)
    yield
    consent.revoke(bank, one.id, OFFICER)


def told_to(browser: Browser, user: str) -> list[dict[str, Any]]:
    body = a_call(an_order(number=str(uuid.uuid4())), context={"userId": user})
    return cards(called(browser, body, signed(iss="https://strict.example")))


def test_who_sits_before_a_system_is_told_nothing_that_they_do_not_see_themselves(bank: Bank, browser: Browser) -> None:
    with decided(bank, "Dr Grey", Kind.CONSENT, permits=False):
        assert [len(told_to(browser, f"Practitioner/{number}")) for number in (1, 2, 9)] == [0, 1, 0]
    assert len(told_to(browser, "Practitioner/1")) == 1


def test_a_referrer_is_told_of_patients_in_their_own_care(bank: Bank, browser: Browser) -> None:
    account.add(bank, "referring", Role.REFERRER)
    alone = told_to(browser, "Practitioner/3")
    with decided(bank, "referring", Kind.CARE, permits=True):
        assert (alone, len(told_to(browser, "Practitioner/3"))) == ([], 1)


def test_a_locked_account_is_told_nothing(bank: Bank, browser: Browser) -> None:
    account.add(bank, "locked", Role.CLINICIAN)
    assert len(told_to(browser, "Practitioner/4")) == 1
    account.lock(bank, "locked")

    assert told_to(browser, "Practitioner/4") == []


def test_nobody_is_told_what_their_system_does_not_see(bank: Bank, browser: Browser) -> None:
    with decided(bank, "Dr Varga", Kind.GRANT, permits=True, owner="south"):
        (card,) = told_to(browser, "Practitioner/2")
        assert "1.2.4" not in card["detail"]
    consent.put_label(bank, Uid("1.2.3"), "sensitive", OFFICER)
    with decided(bank, "Dr Varga", Kind.CARE, permits=True):
        assert told_to(browser, "Practitioner/2") == [], "the system itself is in no care"
        with decided(bank, "cds strict-ehr", Kind.CARE, permits=True):
            assert len(told_to(browser, "Practitioner/2")) == 1
            assert told_to(browser, "Practitioner/1") == []
    consent.remove_label(bank, Uid("1.2.3"), "sensitive", OFFICER)


def test_only_what_is_selected_is_looked_at_while_an_order_is_written(browser: Browser) -> None:
    drafts = (an_order(number="a"), an_order("CT abdomen", number="b"))
    body = a_call(*drafts, hook="order-select", context={"selections": ["ServiceRequest/b"]})
    found = cards(called(browser, body, address=SELECT))

    assert [one["suggestions"][0]["actions"][0]["resourceId"] for one in found] == ["ServiceRequest/b"]


def test_each_order_that_is_signed_has_a_card_of_its_own(browser: Browser) -> None:
    drafts = (an_order(number="m1"), an_order("MR knee left", number="m2"), an_order("CT abdomen", number="m3"))
    found = cards(called(browser, a_call(*drafts)))

    assert [one["suggestions"][0]["actions"][0]["resourceId"] for one in found] == [
        "ServiceRequest/m1",
        "ServiceRequest/m3",
    ]
    assert len({one["uuid"] for one in found}) == 2


def test_a_card_is_the_same_when_the_order_is_signed_again(browser: Browser) -> None:
    first, second = (cards(called(browser, a_call(an_order(number="twice"))))[0]["uuid"] for _ in range(2))

    assert first == second


@pytest.mark.parametrize(
    "order",
    [
        an_order("MR knee left"),
        an_order(priority="stat"),
        an_order(reasonCode=[{"text": "follow-up of a known lesion"}]),
        an_order(occurrenceDateTime="2099-01-01"),
        an_order("Serum potassium"),
        {"resourceType": "MedicationRequest", "id": "m", "subject": "none of FHIR's"},
    ],
)
def test_nothing_is_said_where_there_is_nothing_to_say(browser: Browser, order: dict[str, Any]) -> None:
    assert cards(called(browser, a_call(order))) == []


@pytest.mark.parametrize(
    "more",
    [
        {
            "code": {
                "coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "74160", "display": "CT abdomen W"}]
            }
        },
        {"code": {"text": "CT"}, "bodySite": [{"text": "abdomen"}]},
        {"code": {"text": "CT w contrast"}, "bodySite": [{"coding": [{"display": "Abdomen", "code": "x1"}]}]},
        {"occurrencePeriod": {"start": f"{TODAY:%Y-%m-%d}T23:30:00-11:00"}, "reasonCode": [{"text": "pain"}]},
        {"occurrenceTiming": {"event": ["soon"]}, "identifier": [{"value": "PLACER-7"}]},
        {"locationCode": [{"text": "Surgery"}], "supportingInfo": "none of FHIR's"},
    ],
)
def test_an_order_is_understood_by_codes_sites_and_words(browser: Browser, more: dict[str, Any]) -> None:
    assert len(cards(called(browser, a_call(an_order(**more))))) == 1


def test_the_same_order_twice_in_one_call_has_one_card_and_two_orders_have_two(browser: Browser) -> None:
    unnamed = {name: value for name, value in an_order().items() if name != "id"}
    for _ in range(2):
        assert len(cards(called(browser, a_call(unnamed, unnamed)))) == 1
    two = cards(called(browser, a_call(an_order(number="d1"), an_order(number="d2"), an_order("MR knee left"))))

    assert len({one["uuid"] for one in two}) == 2
    ids = [one["suggestions"][0]["actions"][0]["resourceId"] for one in two]
    assert ids == ["ServiceRequest/d1", "ServiceRequest/d2"]


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_moment_that_is_none_where_the_site_is_says_no_day(moment: str) -> None:
    zones = (ZoneInfo("Pacific/Auckland"), ZoneInfo("America/Los_Angeles"))

    assert None in [cds_orders.day_of(moment, zone) for zone in zones]


def test_an_order_of_one_version_of_the_patient_is_the_patients(browser: Browser) -> None:
    version = {"reference": f"{EHR}/fhir/Patient/p1/_history/7"}

    assert len(cards(called(browser, a_call(an_order(subject=version))))) == 1
    other = {"reference": "Patient/p2/_history/p1"}
    assert called(browser, a_call(an_order(subject=other))).status_code == 400


def test_who_ordered_what_where_is_kept_with_the_alert(bank: Bank, browser: Browser) -> None:
    order = an_order(identifier=[{"value": "PLACER-8"}], locationCode=[{"text": "Surgery"}])
    (card,) = cards(called(browser, a_call(order)))
    found = bank.index.alerts.alert(card["uuid"], Scope(None))

    assert found is not None
    assert (found.user, found.order, found.department, found.way) == (
        "Practitioner/grey",
        "PLACER-8",
        "Surgery",
        "cds",
    )
    assert (found.organization, found.patient.identifier) == ("north", "ANA")


def test_feedback_is_noted_once_however_often_it_is_told(bank: Bank, browser: Browser) -> None:
    (card,) = cards(called(browser, a_call(an_order(number="f1"))))
    at = datetime.now(UTC).replace(microsecond=0)
    override = {
        "card": card["uuid"],
        "outcome": "overridden",
        "overrideReason": {"reason": card["overrideReasons"][0], "userComment": "she is worse"},
        "outcomeTimestamp": at.isoformat(),
    }
    for audience in (SIGN, f"{SIGN}/feedback"):
        assert told(browser, override, signed(audience)).status_code == 200
    untimed = {name: value for name, value in override.items() if name != "outcomeTimestamp"}
    assert told(browser, override, None, untimed).status_code == 200
    changed = [one for one in bank.index.events(Scope(None)) if one.act is Act.CHANGED and "alert" in one.detail]
    assert len(changed) == 1
    found = bank.index.alerts.alert(card["uuid"], Scope(None))
    assert found is not None
    assert found.answer is not None
    assert (found.answer.outcome, found.answer.reason) == (Outcome.OVERRIDDEN, "clinical-change")
    assert (found.answer.comment, found.answer.at) == ("she is worse", at)

    taken = {
        "card": card["uuid"],
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": card["suggestions"][0]["uuid"]}],
    }
    assert told(browser, taken).status_code == 200
    found = bank.index.alerts.alert(card["uuid"], Scope(None))
    assert found is not None
    assert found.answer is not None
    assert (found.outcome, found.answer.reason) == (Outcome.ACCEPTED, Change.CANCELLED)


def told(browser: Browser, entry: Any, token: str | None = None, *more: Any) -> httpx.Response:
    body = json.dumps({"feedback": [entry, *more]})
    return browser.ask("POST", f"{SIGN}/feedback", bearer(token or signed(f"{SIGN}/feedback")), content=body)


def test_feedback_that_is_none_is_refused(browser: Browser) -> None:
    (card,) = cards(called(browser, a_call(an_order(number="f2"))))
    one = {"card": card["uuid"], "outcome": "overridden"}
    reason = {"overrideReason": {"reason": {"code": "because"}}}
    refused = ({"outcome": "shown"}, {"outcomeTimestamp": "2026-01-01T00:00:00"}, reason)

    assert [told(browser, one | more).status_code for more in refused] == [400] * 3
    assert told(browser, one | {"card": str(uuid.uuid4())}).status_code == 404
    assert told(browser, one | {"outcome": "ignored"}).status_code == 200
    empty = browser.ask(
        "POST", f"{SIGN}/feedback", bearer(signed(f"{SIGN}/feedback")), content=json.dumps({"feedback": []})
    )
    assert empty.status_code == 400


def answer_of(bank: Bank, card: dict[str, Any]) -> tuple[str, str]:
    """Reason and comment of what was done about a card."""
    found = bank.index.alerts.alert(card["uuid"], Scope(None))
    assert found is not None
    assert found.answer is not None
    return found.answer.reason, found.answer.comment


def overridden(card: dict[str, Any], **reason: Any) -> dict[str, Any]:
    return {"card": card["uuid"], "outcome": "overridden", "overrideReason": reason or None}


def test_a_client_may_offer_reasons_of_its_own_beside_the_sites(bank: Bank, browser: Browser) -> None:
    (card,) = cards(called(browser, a_call(an_order(number="f3"))))
    assert told(browser, overridden(card, userComment="see chart")).status_code == 200
    assert answer_of(bank, card) == ("", "see chart")
    assert told(browser, overridden(card)).status_code == 200

    own = {"code": "vip", "system": f"{EHR}/reasons", "display": "asked by the head"}
    assert told(browser, overridden(card, reason=own, userComment=None)).status_code == 200
    assert answer_of(bank, card) == (f"{EHR}/reasons|vip", "")
    issue = browser.get(
        f"/fhir/DetectedIssue/{card['uuid']}", bearer(a_token(bank, Role.CLINICIAN, organization="north"))
    )
    action = issue.json()["mitigation"][0]["action"]
    assert action["coding"] == [{"system": f"{EHR}/reasons", "code": "vip"}]
    assert told(browser, overridden(card, reason={**own, "code": "x" * 2000})).status_code == 400


def test_reasons_are_the_sites_and_one_that_is_taken_back_is_known_still(bank: Bank, tmp_path: Path) -> None:
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text(REASONS)
    second.write_text(REASONS.replace('display = "In a trial"', 'display = "In a trial"\noffered = false'))
    before, after = (
        Browser(web_application(replace(bank, settings=replace(bank.settings, overrides_file=file))))
        for file in (first, second)
    )
    (card,) = cards(called(before, a_call(an_order(number="f4"))))
    (later,) = cards(called(after, a_call(an_order(number="f5"))))

    assert [one["code"] for one in card["overrideReasons"]] == ["trial", "else"]
    assert [(one["code"], one["system"]) for one in later["overrideReasons"]] == [("else", "urn:site")]
    assert told(after, overridden(card, reason={"code": "trial", "system": "urn:site"})).status_code == 200
    assert answer_of(bank, card) == ("trial", "")
    for gone in ({"code": "clinical-change"}, {"code": "clinical-change", "system": "urn:site"}):
        assert told(after, overridden(card, reason=gone)).status_code == 400


REASONS = """
system = "urn:site"
[[reason]]
code = "trial"
display = "In a trial"
[[reason]]
code = "else"
display = "Else"
"""


def _coded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@cache
def hostile() -> dict[str, str]:
    """Tokens that prove nothing, by what is wrong with them."""
    now = int(datetime.now(UTC).timestamp())
    good = signed()
    shared = ".".join((_coded(b'{"alg":"HS256","kid":"k1"}'), good.split(".")[1]))
    by_public_key = hmac.digest(KEY.as_pem(private=False), shared.encode(), "sha256")
    return {
        "none": re.sub(r"^[^.]+", "eyJhbGciOiJub25lIiwia2lkIjoiazEifQ", good).rpartition(".")[0] + ".",
        "shared secret of the public key": f"{shared}.{_coded(by_public_key)}",
        "another's key": signed(key=OTHER),
        "another key's name": signed(header={"kid": "k9"}),
        "another audience": signed(SELECT),
        "a part of the audience": signed(f"{SITE}/cds-services"),
        "expired": signed(exp=now - 100, iat=now - 200),
        "too long": signed(exp=now + 9999),
        "not yet made": signed(iat=now + 3600, exp=now + 290),
        "no end": signed(exp=None),
        "no name of its own": signed(jti=None),
        "a number for a name": signed(jti=7),
        "an unlisted issuer": signed(iss="https://evil.example"),
        "no issuer": signed(iss=None),
        "an issuer that is a list": signed(iss=[EHR]),
        "an unlisted place of keys": signed(header={"jku": "https://evil.example/jwks.json"}),
        "no JSON": "a.b.c",
        "nothing": "..",
        "too much": signed(more="x" * 20_000),
    }


@pytest.mark.parametrize("what", hostile())
def test_a_token_that_proves_nothing_is_told_nothing(browser: Browser, what: str) -> None:
    answer = called(browser, a_call(), hostile()[what])

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "cards" not in answer.text


def test_a_token_is_good_once(browser: Browser) -> None:
    token = signed()

    assert [called(browser, a_call(), token).status_code for _ in range(2)] == [200, 401]


def test_refusals_are_in_the_ledger(bank: Bank, browser: Browser) -> None:
    called(browser, a_call(), signed(key=OTHER))
    bank.reads.flush()

    found = [one for one in bank.index.events(Scope(None)) if one.act is Act.REFUSED]
    assert ("north-ehr", "cds: token") in {(one.principal, one.detail.partition(" (")[0]) for one in found}


@pytest.mark.parametrize(
    "body",
    [
        "no JSON",
        {},
        a_call(hook="patient-view"),
        {**a_call(), "hookInstance": "x" * 99},
        a_call(prefetch={"patient": {"resourceType": "Practitioner"}}),
        a_call(prefetch={"patient": {**PATIENT, "id": "p2"}}),
        a_call(prefetch={"patient": {**PATIENT, "identifier": "ANA"}}),
        a_call(an_order(subject={"reference": "Patient/p2"})),
        a_call(an_order(code="CT")),
        a_call(an_order(extension=json.loads("[" * 80 + "]" * 80))),
        '{"context":' * 20_000,
    ],
)
def test_a_call_that_is_none_is_refused(browser: Browser, body: Any) -> None:
    assert called(browser, body).status_code == 400


def test_what_is_null_is_as_what_is_not_there(browser: Browser) -> None:
    nothing = a_call(prefetch=None, fhirServer=None, fhirAuthorization=None, context={"encounterId": None})
    assert called(browser, nothing).status_code == 412

    nothing["prefetch"] = {"patient": PATIENT}
    assert len(cards(called(browser, nothing))) == 1


def test_there_are_two_services(browser: Browser) -> None:
    assert called(browser, a_call(), address=f"{SITE}/cds-services/other").status_code == 404
    assert browser.get("/cds-services/repeat-check-sign").status_code == 405


def test_an_identifier_that_nobody_listed_names_nobody(browser: Browser) -> None:
    stranger = {**PATIENT, "identifier": [{"system": "http://else.example", "value": "ANA"}, {"value": "ANA"}]}

    assert cards(called(browser, a_call(prefetch={"patient": stranger}))) == []


def test_a_token_of_the_bank_does_as_well(bank: Bank, browser: Browser) -> None:
    token = a_token(bank, Role.CLINICIAN, organization="south")
    south = {**PATIENT, "identifier": [{"system": "urn:imagebank:issuer:south", "value": "ANA"}]}
    found = called(browser, a_call(prefetch={"patient": {**south, "id": "p1"}}), token)

    assert found.status_code == 200
    assert called(browser, a_call(), "ib_nobody").status_code == 401
    assert browser.ask("POST", SIGN, {}, content="{}").status_code == 401


def test_a_page_of_another_site_may_ask_where_the_settings_name_it(browser: Browser) -> None:
    asked = {"Origin": "https://ehr.example", "Access-Control-Request-Method": "POST"}

    assert browser.ask("OPTIONS", SIGN, asked).headers["access-control-allow-origin"] == "https://ehr.example"


def test_a_summary_is_short_and_says_when() -> None:
    assert [str(cds_cards.ago(days)) for days in (0, 1, 2)] == ["today", "yesterday", "2 days ago"]
    assert cds_cards.change_of("no-uuid", ["x"]) == ""
    assert cds_orders.day_of("2026-03-02T23:30:00-05:00", UTC) == datetime(2026, 3, 3, tzinfo=UTC).date()
    assert cds_orders.day_of("2026-03", UTC) is None
