"""Where the sample files lie."""

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


def sample_data() -> Path:
    """The folder of sample files; a test that needs it fails plainly when it is not there."""
    folder = Path(os.environ.get("IMAGEBANK_TEST_DATA", _BESIDE))
    if not (folder / "MANIFEST.tsv").is_file():
        pytest.fail(f"no sample data in {folder}: set IMAGEBANK_TEST_DATA to the folder that holds MANIFEST.tsv")
    return folder


def sample_files() -> list[Path]:
    """Every sample file, in a stable order."""
    return sorted(p for p in sample_data().rglob("*") if p.is_file() and "LICENSES" not in p.parts)
