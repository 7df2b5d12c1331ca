"""Signing in at an OpenID provider: who is let in, as what, and everything that is not believed."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc.jwk import OctKey

from bank import open_test_bank
from imagebank.actions import access
from imagebank.actions.identity import Provider, host_of
from imagebank.actions.signing_in import PER_ADDRESS
from imagebank.actions.signing_in_elsewhere import begin, finish, is_offered, roles
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotAllowed, NotFound, TooOften, Unavailable
from imagebank.model.access import Role, Scope
from imagebank.model.event import Act
from imagebank.settings import SettingsError
from unit.actions.openid_provider import ISSUER, SETTINGS, OpenIdProvider, a_key, basic
from unit.actions.people_here import after, events, session

BACK = "https://bank.example/sign-in/provider/answer"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path, **SETTINGS) as opened:
        yield opened


def sign_in(bank: Bank, there: OpenIdProvider, known: Provider | None = None, **answer: str) -> str:
    known = known or Provider(bank.settings, there.fetch)
    address, cookie = begin(bank, known, BACK, "1.2.3.4")
    return finish(bank, known, cookie, {**there.answer_to(address, bank.now()), **answer}, "1.2.3.4")


def test_somebody_of_a_known_group_is_let_in_with_its_role(bank: Bank) -> None:
    found = session(bank, sign_in(bank, OpenIdProvider()))

    assert (found.name, found.role, found.organization) == ("login.example/ada", Role.CLINICIAN, "north")
    assert found.expires_at - found.created_at == timedelta(hours=12)
    assert events(bank, Act.SIGNED_IN) == [("login.example/ada", "provider", "1.2.3.4")]


def test_the_provider_is_asked_with_pkce_state_and_nonce_and_proves_nothing_without_our_secret(bank: Bank) -> None:
    there = OpenIdProvider(discovery={"authorization_endpoint": f"{ISSUER}/authorize?tenant=7"})
    address, _ = begin(bank, Provider(bank.settings, there.fetch), BACK, "")
    asked = dict(parse_qsl(urlsplit(address).query))
    sign_in(bank, there)

    assert asked["tenant"] == "7"
    assert asked["code_challenge_method"] == "S256"
    assert all(len(asked[name]) >= 43 for name in ("state", "nonce", "code_challenge"))
    assert asked["redirect_uri"] == BACK
    assert basic(there.headers[there.asked.index("/token")]) == "imagebank:a%20secret%3A%20of%20ours"


@pytest.mark.parametrize("secret", ["", "a secret"])
def test_a_provider_that_takes_the_secret_in_the_form_only_gets_it_there(tmp_path: Path, secret: str) -> None:
    there = OpenIdProvider(discovery={"token_endpoint_auth_methods_supported": ["client_secret_post"]})
    with open_test_bank(tmp_path, **{**SETTINGS, "oidc_client_secret": secret}) as bank:
        sign_in(bank, there)

    assert there.forms[0]["client_id"] == "imagebank"
    assert there.forms[0].get("client_secret", "") == secret


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # in favour of names of its kinds, which few providers use
@pytest.mark.parametrize(("kind", "alg"), [("RSA", "RS256"), ("RSA", "PS256"), ("OKP", "EdDSA")])
def test_other_signatures_of_the_list_are_believed(bank: Bank, kind: str, alg: str) -> None:
    assert sign_in(bank, OpenIdProvider(key=a_key(kind=kind), alg=alg))


@pytest.mark.parametrize(
    "says",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "another bank"},
        {"aud": ["another bank"]},
        {"aud": ["imagebank", "another bank"]},
        {"aud": ["imagebank", "another bank"], "azp": "another bank"},
        {"azp": "another bank"},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"iat": 1 << 40},
        {"iat": None},
        {"sub": None},
        {"sub": "a\nb"},
        {"sub": "x" * 101},
        {"groups": []},
        {"groups": ["visitors"]},
        {"groups": 7},
    ],
)
def test_what_is_not_said_of_us_or_now_or_of_anybody_with_a_role_is_refused_alike(
    bank: Bank, says: dict[str, Any]
) -> None:
    with pytest.raises(NotFound, match="vouches for nobody whom this bank lets in"):
        sign_in(bank, OpenIdProvider(says=says))

    assert [(detail, address) for _, detail, address in events(bank, Act.NOT_SIGNED_IN)] == [("provider", "1.2.3.4")]
    assert not events(bank, Act.SIGNED_IN)


def test_a_flood_of_answers_from_an_address_is_refused_unheard_and_makes_few_lines(bank: Bank) -> None:
    provider = Provider(bank.settings, OpenIdProvider().fetch)
    for _ in range(PER_ADDRESS):
        with pytest.raises(NotFound):
            finish(bank, provider, "", {}, "1.2.3.4")
    with pytest.raises(TooOften):
        finish(bank, provider, "", {}, "1.2.3.4")
    bank.reads.flush(is_last=True)
    refused = [one for one in bank.index.events(Scope(None), 1000) if one.act is Act.NOT_SIGNED_IN]

    assert len(refused) <= 3
    assert sum(one.count for one in refused) == PER_ADDRESS + 1


def test_a_token_for_several_that_names_us_as_its_party_is_believed(bank: Bank) -> None:
    assert sign_in(bank, OpenIdProvider(says={"aud": ["imagebank", "another"], "azp": "imagebank"}))


def test_a_token_that_is_not_signed_by_the_provider_is_not_believed(bank: Bank) -> None:
    there = OpenIdProvider()
    known = Provider(bank.settings, there.fetch)
    sign_in(bank, there, known)
    there.documents["/keys"] = there.fetch("https://login.example/keys", None, {})
    forged = a_key("first")
    there.key = forged

    with pytest.raises(NotFound):
        sign_in(bank, there, known)


def test_algorithms_beside_the_list_are_not_believed(bank: Bank) -> None:
    for there in (
        OpenIdProvider(key=a_key(kind="RSA"), alg="RS512"),
        OpenIdProvider(key=OctKey.generate_key(256, {"kid": "first"}), alg="HS256"),
    ):
        with pytest.raises((NotFound, Unavailable)):
            sign_in(bank, there)


def test_new_keys_are_asked_for_once_when_a_token_names_one_that_is_not_known(bank: Bank) -> None:
    there = OpenIdProvider()
    known = Provider(bank.settings, there.fetch)
    sign_in(bank, there, known)
    sign_in(bank, there, known)
    before = there.asked.count("/keys")
    there.key = a_key("second")
    sign_in(bank, there, known)
    there.header = {"kid": "nobody's"}
    with pytest.raises(NotFound):
        sign_in(bank, there, known)

    assert (before, there.asked.count("/keys")) == (1, 3)
    assert there.asked.count("/.well-known/openid-configuration") == 1


def test_what_a_provider_says_of_itself_is_asked_anew_after_an_hour(bank: Bank) -> None:
    there = OpenIdProvider()
    known = Provider(bank.settings, there.fetch)
    sign_in(bank, there, known)
    sign_in(after(bank, hours=2), there, known)

    assert there.asked.count("/.well-known/openid-configuration") == 2


def test_an_answer_counts_once_in_its_browser_and_in_time(bank: Bank) -> None:
    there = OpenIdProvider()
    known = Provider(bank.settings, there.fetch)
    address, cookie = begin(bank, known, BACK, "")
    answer = there.answer_to(address, bank.now())
    _, of_another_browser = begin(bank, known, BACK, "")
    for wrong, brought in (
        (cookie, {**answer, "state": "another"}),
        (cookie, {**answer, "state": "ü"}),
        (cookie, {"code": "x"}),
        (cookie, {**answer, "iss": "https://other.example"}),
        (of_another_browser, answer),
        ("", answer),
        ("ü", answer),
    ):
        with pytest.raises(NotFound):
            finish(bank, known, wrong, brought)
    with pytest.raises(NotFound):
        finish(after(bank, minutes=11), known, cookie, answer)

    assert finish(bank, known, cookie, answer)
    with pytest.raises(NotFound):
        finish(bank, known, cookie, answer)


def test_a_sealed_secret_of_another_kind_is_no_errand(bank: Bank) -> None:
    there = OpenIdProvider()
    address, _ = begin(bank, Provider(bank.settings, there.fetch), BACK, "")
    other = access.digest_of("x").hex()
    with pytest.raises(NotFound):
        finish(bank, Provider(bank.settings, there.fetch), other, there.answer_to(address, bank.now()))


def test_somebody_whom_the_provider_turned_away_comes_back_without_a_code(bank: Bank) -> None:
    with pytest.raises(NotFound):
        sign_in(bank, OpenIdProvider(), code="")


def test_groups_are_looked_for_at_userinfo_where_the_token_has_none(bank: Bank) -> None:
    told = OpenIdProvider(says={"groups": None}, people={"groups": "cn=keepers"})
    of_another = OpenIdProvider(says={"groups": None}, people={"groups": ["doctors"], "sub": "eve"})
    nowhere = OpenIdProvider(says={"groups": None}, discovery={"userinfo_endpoint": None})

    assert session(bank, sign_in(bank, told)).role is Role.PRIVACY_OFFICER
    for there in (of_another, nowhere):
        with pytest.raises(NotFound):
            sign_in(bank, there)


@pytest.mark.parametrize("auth_time", [None, 1, True, 1 << 40])
def test_an_old_or_unknown_sign_in_there_is_no_proof_here(bank: Bank, auth_time: object) -> None:
    fresh = session(bank, sign_in(bank, OpenIdProvider()))
    stale = session(bank, sign_in(bank, OpenIdProvider(says={"auth_time": auth_time})))
    access.require_proof(bank, fresh)

    with pytest.raises(NotAllowed):
        access.require_proof(bank, stale)


@pytest.mark.parametrize(
    "there",
    [
        OpenIdProvider(discovery={"issuer": "https://other.example"}),
        OpenIdProvider(discovery={"token_endpoint": "https://inside.example/token"}),
        OpenIdProvider(discovery={"token_endpoint": "http://login.example/token"}),
        OpenIdProvider(discovery={"jwks_uri": "https://login.example:8443/keys"}),
        OpenIdProvider(discovery={"jwks_uri": "https://[login.example/keys"}),
        OpenIdProvider(discovery={"jwks_uri": None}),
        OpenIdProvider(discovery={"authorization_endpoint": "javascript:alert(1)"}),
        OpenIdProvider(documents={"/.well-known/openid-configuration": (302, b"")}),
        OpenIdProvider(documents={"/.well-known/openid-configuration": (200, b"<html>")}),
        OpenIdProvider(documents={"/keys": (200, b"[]")}),
        OpenIdProvider(documents={"/keys": (200, b'{"keys": 1}')}),
        OpenIdProvider(documents={"/keys": (200, b'{"keys": [' + b",".join([b"{}"] * 51) + b"]}")}),
        OpenIdProvider(documents={"/keys": (200, b'{"keys": [{"kty": "EC", "crv": "P-256"}]}')}),
        OpenIdProvider(documents={"/token": (503, b"")}),
    ],
)
def test_a_provider_that_does_not_answer_as_one_is_told_from_somebody_who_is_refused(
    bank: Bank, there: OpenIdProvider
) -> None:
    with pytest.raises(Unavailable):
        sign_in(bank, there)


# As the large providers do: people and discovery at one host, programs at others.
SPREAD = {
    "token_endpoint": "https://tokens.example/token",
    "jwks_uri": "https://keys.example:8443/keys",
    "userinfo_endpoint": "https://TOKENS.example:443/people",
}


def test_a_provider_of_several_hosts_is_asked_where_a_setting_says_that_it_may_be(tmp_path: Path) -> None:
    there = OpenIdProvider(discovery=SPREAD, says={"groups": None}, people={"groups": ["doctors"]})
    listed = {**SETTINGS, "oidc_hosts": ["tokens.example", "Keys.example:8443"]}
    with open_test_bank(tmp_path, **listed) as bank:
        assert session(bank, sign_in(bank, there)).role is Role.CLINICIAN
        assert Provider(bank.settings, there.fetch).unlisted() == []


def test_hosts_that_no_setting_names_are_told_in_the_log_and_not_to_who_signs_in(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    there = OpenIdProvider(discovery=SPREAD)
    with pytest.raises(Unavailable) as refused:
        sign_in(bank, there)

    assert "example" not in str(refused.value)
    assert "asked at tokens.example, keys.example:8443; name these in oidc_hosts" in caplog.text
    assert Provider(bank.settings, there.fetch).unlisted() == ["tokens.example", "keys.example:8443"]
    assert there.asked == ["/.well-known/openid-configuration"] * 2


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://Login.example/a?b", "login.example"),
        ("https://login.example:443", "login.example"),
        ("https://somebody@login.example:444", "login.example:444"),
        ("http://localhost", "localhost:80"),
        ("http://[::1]:8080/keys", "[::1]:8080"),
    ],
)
def test_a_host_is_told_with_its_port_where_that_is_not_the_usual_one(address: str, host: str) -> None:
    assert host_of(address) == host


@pytest.mark.parametrize("host", ["https://keys.example", "keys.example/keys", "*.example", "me@keys.example", "[", ""])
def test_a_host_that_is_none_is_told_at_the_start(tmp_path: Path, host: str) -> None:
    with (
        pytest.raises(SettingsError, match="oidc_hosts"),
        open_test_bank(tmp_path, **{**SETTINGS, "oidc_hosts": [host]}),
    ):
        pass


@pytest.mark.parametrize(
    "token", [(400, b"{}"), (200, b"{}"), (200, b'{"id_token": "a.b.c"}'), (200, b'{"id_token": 1}')]
)
def test_a_code_that_the_provider_does_not_take_opens_nothing(bank: Bank, token: tuple[int, bytes]) -> None:
    with pytest.raises(NotFound):
        sign_in(bank, OpenIdProvider(documents={"/token": token}))


def test_tries_are_counted_by_address(bank: Bank) -> None:
    known = Provider(bank.settings, OpenIdProvider().fetch)
    for _ in range(100):
        begin(bank, known, BACK, "5.6.7.8")

    with pytest.raises(TooOften):
        begin(bank, known, BACK, "5.6.7.8")


@pytest.mark.parametrize("text", ["doctors", "=clinician", "doctors=king", "machines=system", "doctors="])
def test_a_group_without_a_role_that_people_can_have_is_told_at_the_start(tmp_path: Path, text: str) -> None:
    with pytest.raises(Invalid):
        roles([text])
    with (
        pytest.raises(SettingsError, match="oidc_roles"),
        open_test_bank(tmp_path, **{**SETTINGS, "oidc_roles": [text]}),
    ):
        pass


@pytest.mark.parametrize("issuer", ["http://login.example", "login.example", "file:///etc/passwd"])
def test_a_provider_is_asked_by_https_only_but_for_one_on_this_machine(tmp_path: Path, issuer: str) -> None:
    with pytest.raises(SettingsError, match="oidc_issuer"), open_test_bank(tmp_path, oidc_issuer=issuer):
        pass
    with open_test_bank(tmp_path, oidc_issuer="http://127.0.0.1:9") as bank:
        assert not is_offered(bank)
