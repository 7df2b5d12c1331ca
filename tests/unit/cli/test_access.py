"""`imagebank access`, `consent` and `label`."""

import json
from pathlib import Path
from typing import Any

import pytest

from make import a_file
from running import Said, imagebank

STUDY = "1.2.826.0.1.7"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A bank of the organization `local` with one study of Ada's."""
    (tmp_path / "one.dcm").write_bytes(a_file(PatientID="ADA", StudyInstanceUID=STUDY))
    assert imagebank("import", tmp_path / "one.dcm", "--data", tmp_path / "bank").status == 0
    return tmp_path / "bank"


def explain(data: Path, *more: str) -> Said:
    return imagebank("access", "explain", STUDY, "--role", "clinician", *more, "--data", data)


def test_who_may_see_a_study_is_told_with_the_reasons(data: Path) -> None:
    own, other = explain(data), explain(data, "--organization", "south")

    assert (own.status, other.status) == (0, 1)
    assert "clinician of local, for TREAT: may see it" in own.out
    assert "may not see it" in other.out
    assert "staff see their own organization's" in other.out


def test_a_denial_is_written_listed_explained_and_revoked(data: Path) -> None:
    given = ("--patient", "ADA", "--organization", "local", "--purpose", "TREAT", "--days", "3")
    added = imagebank("consent", "add", "deny", *given, "--json", "--data", data)
    identifier = json.loads(added.out)["id"]
    denied: dict[str, Any] = json.loads(explain(data, "--json").out)
    (row,) = json.loads(imagebank("consent", "list", "--patient", "ADA", "--json", "--data", data).out)
    revoked = imagebank("consent", "revoke", identifier, "--data", data)
    again = imagebank("consent", "revoke", identifier, "--data", data)

    assert not denied["may_see"]
    assert {"effect": "deny by consent", "name": identifier, "holds": True} in denied["reasons"]
    assert (row["word"], row["to"], row["of"]) == ("deny", "local TREAT", "local|ADA")
    assert (revoked.status, again.status) == (0, 1)
    assert explain(data).status == 0


def test_care_lets_a_referrer_see(data: Path) -> None:
    asked = ("access", "explain", STUDY, "--role", "referrer", "--name", "weiss", "--data", data)
    before = imagebank(*asked)
    imagebank("consent", "add", "care", "--patient", "ADA", "--principal", "weiss", "--data", data)
    listed = imagebank("consent", "list", "--data", data)

    assert (before.status, imagebank(*asked).status) == (1, 0)
    assert "care" in listed.out


def test_a_label_is_put_and_removed(data: Path) -> None:
    put = imagebank("label", "put", STUDY, "sensitive", "--data", data)
    during = explain(data)
    removed = [imagebank("label", "remove", STUDY, "sensitive", "--data", data).status for _ in range(2)]

    assert put.status == 0
    assert during.status == 1
    assert removed == [0, 1]
    assert explain(data).status == 0


def test_each_role_of_each_organization_is_listed(data: Path) -> None:
    imagebank("token", "create", "--role", "clinician", "--organization", "south", "--data", data)
    listed = json.loads(imagebank("access", "who", STUDY, "--json", "--data", data).out)
    shown = imagebank("access", "who", STUDY, "--data", data).out
    may = {(row["role"], row["organization"]) for row in listed if row["may_see"]}

    assert {row["organization"] for row in listed} == {"local", "south"}
    assert {("admin", "south"), ("clinician", "local"), ("device", "local")} <= may
    assert not {("clinician", "south"), ("referrer", "local"), ("privacy officer", "local")} & may
    assert "may see" in shown


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (("access", "explain", "x", "--role", "clinician"), 2),
        (("access", "who", "x"), 2),
        (("access", "who", "1.2.3"), 1),
        (("access", "explain", "1.2.3", "--role", "admin"), 1),
        (("consent", "add", "deny", "--patient", "ADA", "--modality", "c t"), 2),
        (("consent", "add", "deny", "--patient", "ADA", "--purpose", "FUN"), 2),
        (("consent", "add", "maybe", "--patient", "ADA"), 2),
        (("label", "put", STUDY, "SHOUTED"), 2),
        (("label", "remove", "x", "sensitive"), 2),
    ],
    ids=str,
)
def test_what_is_mistyped_or_not_there_is_said(data: Path, command: tuple[str, ...], status: int) -> None:
    said = imagebank(*command, "--data", data)

    assert said.status == status
    assert said.err
