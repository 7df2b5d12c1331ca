"""The wheel has to carry whatever the program reads at run time."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CARRIED = (
    "py.typed",
    "storage/migrations/versions/0001_archive.py",
    "actions/matching.toml",
    "actions/population.toml",
    "paper/fonts/NotoSansArabic_400Regular.ttf",
    "paper/locale/ar.po",
    "paper/templates/card.typ",
    "portal/templates/studies.html",
    "portal/static/tokens.css",
    "portal/viewer/index.html",
    "portal/viewer/app-config.js",
)


def test_the_wheel_carries_the_viewer_and_the_static_files(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())

    assert {f"imagebank/{name}" for name in CARRIED} <= names
    assert any(name.startswith("imagebank/portal/viewer/app.bundle") for name in names)
