"""On what it was measured."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from imagebank.bench import dcmtk


@dataclass(frozen=True, slots=True)
class Machine:
    """`load` is how many processes wanted a processor in the last minute, ours among them."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    disk: str
    python: str
    dcmtk: str
    load: float


def here(folder: Path) -> Machine:
    """This machine, and the disk that a folder is on."""
    return Machine(
        _field("/proc/cpuinfo", "model name") or platform.machine(),
        os.cpu_count() or 1,
        round(int((_field("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / (1 << 20), 1),
        f"{platform.system()} {platform.release()}",
        file_system(folder),
        platform.python_version(),
        dcmtk.version(),
        round(os.getloadavg()[0], 1),
    )


def _field(file: str, name: str) -> str:
    for line in Path(file).read_text(errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def file_system(folder: Path) -> str:
    """The kind of file system that a folder is on, such as ext4; empty where nothing says so."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text(errors="replace").splitlines()]
    places = {mount[1]: mount[2] for mount in mounts}
    here = folder.resolve()
    return next((places[str(one)] for one in (here, *here.parents) if str(one) in places), "")
