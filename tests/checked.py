"""What the checkers of dicom3tools say of objects."""

import subprocess
import sys
from pathlib import Path


def errors_of(*files: Path, program: str = "dciodvfy") -> list[str]:
    """The errors that `dciodvfy -new` finds in a file, or `dcentvfy` across several."""
    options = ["-new"] if program == "dciodvfy" else []
    command = [str(Path(sys.executable).with_name(program)), *options, *map(str, files)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    lines = (run.stdout + run.stderr).splitlines()

    assert lines or program != "dciodvfy", "the checker said nothing at all"
    return [line for line in lines if line.startswith("Error")]
