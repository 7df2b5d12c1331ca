"""The checkers have to see the files that they are trusted with."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import grimp
import pytest
from coverage import Coverage
from mypy.main import process_options

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "imagebank"
SOURCES = {path for path in PACKAGE.rglob("*.py") if "viewer" not in path.relative_to(PACKAGE).parts}
TESTS = set((ROOT / "tests").rglob("*.py"))
FLOOR = (
    "model/*.py",
    "actions/*.py",
    "rules/*.py",
    "exams/*.py",
    "storage/matching.py",
    "storage/select.py",
    "errors.py",
    "*/errors.py",
    "dimse/status.py",
)
"""What the tests have to reach to the last branch."""


def configured() -> dict[str, Any]:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert isinstance(tools, dict)
    return tools


def module(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
    return name.removesuffix(".__init__")


def test_ruff_sees_every_file() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--show-files"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout

    assert {str(path) for path in SOURCES | TESTS} <= set(listed.splitlines())


def test_mypy_sees_every_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    sources, options = process_options([])

    assert {str(path) for path in SOURCES | TESTS} <= {str(Path(one.path or "").resolve()) for one in sources}
    assert options.disallow_untyped_defs, "strict"


def test_the_import_rules_see_every_module_and_name_every_package() -> None:
    rules = configured()["importlinter"]
    (layers,) = (contract["layers"] for contract in rules["contracts"] if contract["type"] == "layers")
    named = {name.strip(" ()") for layer in layers for name in layer.split("|")}
    tops = {".".join(module(path).split(".")[:2]) for path in SOURCES}

    assert grimp.build_graph(rules["root_package"]).modules >= {module(path) for path in SOURCES}
    assert tops - {"imagebank", "imagebank.__main__"} == named


def test_the_coverage_floor_is_of_every_module_that_it_is_promised_for() -> None:
    found = Coverage(config_file=str(ROOT / "pyproject.toml")).config
    promised = {module(path) for pattern in FLOOR for path in PACKAGE.glob(pattern)}
    measured = {
        module(path)
        for path in SOURCES
        if any(f"{module(path)}.".startswith(f"{package}.") for package in found.source_pkgs)
    }

    assert measured == promised
    assert found.branch
    assert found.fail_under == 100
    assert not found.run_omit
    assert not found.report_omit
