"""How long a quick look takes to its first image: the page, then the picture that it names, through one connection.

    python benchmarks/quick_look.py [--asks 50] [--studies 20] [--size 512]

One bank runs as `imagebank serve`, with CTs of one person. Printed are milliseconds of page and picture together, by
the clock, for a study alone and beside a prior (both pictures); each time another image, so that none is in a cache.
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from html import unescape
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import numpy as np

from make import phantom_files, read
from running import Running, running_bank

_SLICES = 40
_PICTURE = re.compile(r'<img src="(/dicom-web/[^"]*/rendered[^"]*)"')


def deposit(bank: Running, folder: Path, studies: int, size: int) -> list[str]:
    """CTs of one person, a year from each other; their UIDs, the newest last."""
    uids = []
    for number in range(studies):
        on = date(2025 - studies + number, 1, 2)
        files = phantom_files(on=on, slices=_SLICES, size=size, accession=f"A{number}")
        for place, file in enumerate(files):
            (folder / f"{number}-{place}.dcm").write_bytes(file)
        uids.append(str(read(files[0]).StudyInstanceUID))
    bank.import_paths([folder])
    return uids


def cookie_of(bank: Running) -> str:
    """A session, as the link for signing in gives it."""
    address = urlsplit(bank.sign_in_link())
    connection = HTTPConnection(str(address.hostname), int(address.port or 80))
    connection.request("GET", address.path)
    given = connection.getresponse().getheader("Set-Cookie", "")
    connection.close()
    return str(given).partition(";")[0]


def look(connection: HTTPConnection, headers: dict[str, str], path: str) -> float:
    """Milliseconds until the page and the pictures that it begins with are there."""
    begun = time.perf_counter()
    page = unescape(ask(connection, headers, path).decode())
    pictures = _PICTURE.findall(page)
    if not pictures:
        raise SystemExit(f"{path} shows no picture")
    for picture in pictures:
        ask(connection, headers | {"Accept": "image/*"}, picture)
    return (time.perf_counter() - begun) * 1000


def ask(connection: HTTPConnection, headers: dict[str, str], path: str) -> bytes:
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{path} answered {answer.status}")
    return body


def report(name: str, found: Sequence[float]) -> None:
    middle, late = np.percentile(found, [50, 95])
    print(f"{name:16} p50 {middle:6.1f} ms   p95 {late:6.1f} ms   most {max(found):6.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--asks", type=int, default=50)
    parser.add_argument("--studies", type=int, default=20)
    parser.add_argument("--size", type=int, default=512)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_bank(Path(folder) / "bank") as bank:
        (Path(folder) / "files").mkdir()
        *_, prior, current = deposit(bank, Path(folder) / "files", given.studies, given.size)
        headers = {"Cookie": cookie_of(bank)}
        place = urlsplit(bank.url)
        connection = HTTPConnection(str(place.hostname), int(place.port or 80))
        for name, more in (("alone", ""), ("beside a prior", f"&prior={prior}")):
            path = f"/studies/{current}/look?n={{}}{more}"
            look(connection, headers, path.format(1))
            report(name, [look(connection, headers, path.format(1 + one % _SLICES)) for one in range(given.asks)])


if __name__ == "__main__":
    main()
