"""Plug-ins: found by their entry point, run beside, and unable to harm the bank."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagebank.dicom.sandbox import Sandbox
from imagebank.model.imaging import Source
from imagebank.model.rules import Decision, Deposit, Opinion
from imagebank.rules import host, plugins
from imagebank.rules.expression import Unjudged

CODE = """
from imagebank.model.rules import Decision, Opinion

def side(deposit):
    name = deposit.file_name
    if name.endswith("x.dcm"):
        return Opinion(Decision.REFUSE, "not an eye")
    return Opinion(sets={"ImageLaterality": "L" if "_L" in name else "R"}, labels=("eye",))

def fails(deposit):
    raise ValueError(deposit.header["00100010"]["Value"][0]["Alphabetic"])

def loops(deposit):
    while True:
        pass

def reads(deposit):
    with open("/etc/passwd") as stream:
        return Opinion(Decision.REFUSE, stream.read())

def none(deposit):
    return None

def odd(deposit):
    return Opinion(sets={"StudyID": ["x"]})
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An installed package with plug-ins, as pip would leave it."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "acme_eyes.py").write_text(CODE)
    about = folder / "acme_eyes-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-eyes\nVersion: 1.0\n")
    names = ("side", "fails", "loops", "reads", "none", "odd")
    lines = [f"{name} = acme_eyes:{name}" for name in names] + ["broken = acme_gone:side"]
    (about / "entry_points.txt").write_text("[imagebank.rules]\n" + "\n".join(lines) + "\n")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def sandbox(folder: Path) -> Iterator[Sandbox]:
    with plugins.a_sandbox(timeout_s=2.0) as made:
        yield made


def deposit(name: str = "a_L.dcm") -> Deposit:
    header: dict[str, Any] = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}}
    return Deposit(header, Source("dimse", "EYE1", "north", "10.0.0.7"), name, {})


def test_installed_plug_ins_are_known_by_name(folder: Path) -> None:
    assert {"side", "broken"} <= plugins.installed()


def test_a_plug_in_gives_its_opinion(sandbox: Sandbox) -> None:
    assert plugins.ask(sandbox, "side", deposit()) == Opinion(sets={"ImageLaterality": "L"}, labels=("eye",))
    assert plugins.ask(sandbox, "side", deposit("x.dcm")) == Opinion(Decision.REFUSE, "not an eye")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("fails", "plug-in fails: it failed with ValueError"),
        ("loops", "plug-in loops gave no answer: it ended, took too long or needed too much memory"),
        ("none", "plug-in none: it did not answer with an Opinion"),
        ("odd", "plug-in odd: its Opinion has values of other kinds than it promises"),
        ("broken", "plug-in broken: it cannot be loaded: ModuleNotFoundError"),
        ("absent", "plug-in absent: it cannot be loaded: it is not installed"),
    ],
)
def test_a_plug_in_that_fails_has_no_opinion_and_tells_nothing_of_the_patient(
    sandbox: Sandbox, name: str, told: str
) -> None:
    with pytest.raises(Unjudged, match=f"^{told}$"):
        plugins.ask(sandbox, name, deposit())

    assert plugins.ask(sandbox, "side", deposit()).decision is None


def test_a_plug_in_opens_nothing(sandbox: Sandbox) -> None:
    with pytest.raises(Unjudged, match="it failed with"):
        plugins.ask(sandbox, "reads", deposit())


def test_the_child_loads_them_and_answers_plain_values(folder: Path) -> None:
    host.warm()
    asked = {"name": "side", "header": {}, "source": {"way": "stow", "principal": "p", "organization": "o"}}

    answers = {
        name: host.ask(asked | {"name": name, "file_name": "x.dcm", "options": {}}, memoryview(b""))[0]
        for name in ("side", "fails", "none", "odd", "broken")
    }

    assert answers["side"] == {"decision": "refuse", "reason": "not an eye", "sets": {}, "labels": []}
    assert answers["fails"] == {"failed": "it failed with KeyError"}
    assert answers["none"] == {"failed": "it did not answer with an Opinion"}
    assert "other kinds" in answers["odd"]["failed"]
    assert answers["broken"] == {"failed": "it cannot be loaded: ModuleNotFoundError"}
