"""The table of what becomes of the sample files is what becomes of them."""

import importlib.util
from pathlib import Path

import pytest

from samples import sample_data

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "sample_outcomes.py"


@pytest.mark.slow
def test_every_sample_file_has_the_outcome_that_the_table_says() -> None:
    spec = importlib.util.spec_from_file_location("sample_outcomes", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    assert script.page(sample_data()) == script.PAGE.read_text(encoding="utf-8")
