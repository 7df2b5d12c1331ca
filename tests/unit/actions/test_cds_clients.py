"""Systems that call by CDS Hooks: what a site's file may say of them. Their tokens are in the test of CDS Hooks."""

import json
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey

from bank import open_test_bank
from imagebank.actions.cds_clients import listed
from imagebank.errors import Invalid
from imagebank.exams.overriding import overrides
from imagebank.model.person import PatientId
from imagebank.settings import SettingsError

EC: dict[str, Any] = ECKey.generate_key("P-256", {"kid": "k"}).as_dict(private=False)


def a_file(folder: Path, *clients: dict[str, Any]) -> Path:
    """A file with some clients; what nobody says of one is sound."""
    text = ""
    for one in clients:
        given = {"name": "ehr", "iss": "https://ehr.example", "organization": "north", **one}
        lines = (f"{key} = {_toml(value)}" for key, value in given.items())
        text += "\n".join(["[[client]]", *lines, ""])
    file = folder / "clients.toml"
    file.write_text(text)
    return file


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    return f"[{', '.join(map(_toml, value))}]" if isinstance(value, list) else json.dumps(value)


def keys(*given: dict[str, Any]) -> dict[str, Any]:
    return {"jwks": {"keys": list(given)}}


def test_clients_are_known_by_their_issuer(tmp_path: Path) -> None:
    assert listed(None) == {}
    other = {"name": "other", "iss": "https://other.example", "jku": "https://other.example/jwks"}
    found = listed(a_file(tmp_path, {**keys(EC), "systems": {"urn:mrn": "north"}}, other))

    assert [one.name for one in found.values()] == ["ehr", "other"]
    ehr = found["https://ehr.example"]
    assert ehr.patient("urn:mrn", "1") == PatientId("north", "1")
    assert (ehr.patient("urn:other", "1"), ehr.patient("urn:mrn", "")) == (None, None)


@pytest.mark.parametrize(
    ("client", "words"),
    [
        ({}, "jwks or jku"),
        ({**keys(EC), "jku": "https://ehr.example/jwks"}, "jwks or jku"),
        ({"jku": "http://ehr.example/jwks"}, "https"),
        ({"jku": "https://me@ehr.example/jwks"}, "an address"),
        ({**keys(EC), "fhir_servers": ["https://ehr.example/fhir?a=b"]}, "an address"),
        ({**keys(EC), "fhir_servers": ["ftp://ehr.example"]}, "https"),
        (keys(), "one key at least"),
        ({"jwks": {"key": 1}}, "one key at least"),
        (keys(OctKey.generate_key(256).as_dict()), "public ones"),
        (keys(ECKey.generate_key("P-256").as_dict(private=True)), "public ones"),
        (keys({"kty": "EC", "crv": "P-256"}), "cannot be read"),
        (keys({**EC, "use": "enc"}), "none is for signatures"),
        (keys({"kty": "RSA", "e": "AQAB", "n": "z" * 171}), "2048 bits"),
        ({**keys(EC), "role": "admin"}, "admin"),
        ({**keys(EC), "colour": "red"}, "colour"),
    ],
)
def test_a_file_that_would_let_in_the_wrong_ones_stops_the_start(
    tmp_path: Path, client: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError, match=words), open_test_bank(tmp_path, cds_clients_file=a_file(tmp_path, client)):
        pass


def test_two_clients_have_two_issuers(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="one iss"):
        listed(a_file(tmp_path, keys(EC), keys(EC)))


@pytest.mark.parametrize("reasons", ["", '[[reason]]\ncode = "a"\ndisplay = "A"\n' * 2, '[[reason]]\ncode = "a"\n'])
def test_reasons_have_codes_of_their_own(tmp_path: Path, reasons: str) -> None:
    file = tmp_path / "overrides.toml"
    file.write_text(f'system = "urn:site"\n{reasons}' if reasons else 'system = "urn:site"\nreason = []\n')

    with pytest.raises(SettingsError, match=r"overrides\.toml"), open_test_bank(tmp_path, overrides_file=file):
        pass
    assert overrides(None).codes >= {"other"}
