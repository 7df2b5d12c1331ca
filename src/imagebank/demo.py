"""`imagebank demo`: a bank with sample people, studies and sign-ins, and where to look."""

import io
import shlex
import sys
from datetime import date
from pathlib import Path

from pydicom.data import get_testdata_file

from imagebank import app
from imagebank.actions import access, ingest
from imagebank.bank import Bank
from imagebank.dicom import phantom
from imagebank.dicom.phantom import Phantom
from imagebank.model.access import Role
from imagebank.model.imaging import Source
from imagebank.serve import supervised
from imagebank.settings import Settings

SAMPLE: tuple[Phantom, ...] = (
    Phantom("DEMO-1", "Phantom^Ada", date(1961, 4, 12), "F", "CT", "CT head without contrast", "HEAD",
            date(2026, 11, 9), "DEMO-2611", 32),
    Phantom("DEMO-1", "Phantom^Ada", date(1961, 4, 12), "F", "CT", "CT head without contrast", "HEAD",
            date(2026, 10, 26), "DEMO-2610", 24),
    Phantom("DEMO-2", "Phantom^Bo", date(1984, 9, 30), "M", "MR", "MR brain", "BRAIN", date(2026, 8, 3), "DEMO-2608", 24),
    Phantom("DEMO-3", "Phantom^Cleo", date(2001, 1, 17), "F", "US", "Echocardiography", "HEART",
            date(2026, 6, 21), "DEMO-2606", 30),
)  # fmt: skip
BUNDLED = ("CT_small.dcm", "MR_small.dcm", "waveform_ecg.dcm", "test-SR.dcm", "reportsi.dcm", "examples_jpeg2k.dcm",
           "examples_ybr_color.dcm", "examples_palette.dcm", "examples_overlay.dcm")  # fmt: skip
"""Files in pydicom's wheel that a bank keeps as they are, and that do not contradict themselves."""


def run(settings: Settings) -> int:
    """Start the bank, deposit the sample, say where to look, and stay until Ctrl-C; the exit status."""
    with supervised(settings) as supervisor:
        with app.opened(settings) as bank:
            deposit_sample(bank)
            _say_where(bank)
        supervisor.watch()
    return 0


def deposit_sample(bank: Bank) -> None:
    """Deposit the phantoms and the files that pydicom carries; what is in already is left alone."""
    marker = bank.settings.data / "demo-sample"
    if marker.exists():
        return
    source = Source("import", "demo", bank.settings.organization)
    for one in SAMPLE:
        arrivals = [ingest.Arrival(io.BytesIO(file), len(file)) for file in phantom.files(one)]
        ingest.receive(bank, arrivals, source)
    for name in BUNDLED:
        # pydicom would download what its wheel does not carry; nothing here may reach out.
        path = get_testdata_file(name, download=False)
        if path is not None:
            file = Path(path).read_bytes()
            ingest.receive(bank, [ingest.Arrival(io.BytesIO(file), len(file), name)], source)
    marker.touch()


def _another_link(settings: Settings) -> str:
    """The command for another link, as it works from where the reader stands: the program by the way it was called."""
    called = sys.argv[0]
    program = [sys.executable, "-m", "imagebank"] if called.endswith("__main__.py") else [called]
    return shlex.join([*program, "sign-in-link", "--data", str(settings.data)])


def _say_where(bank: Bank) -> None:
    settings = bank.settings
    web = settings.public_url or f"http://{settings.http}"
    code = access.sign_in_link(bank, Role.ADMIN, "demo")
    token = access.issue_token(bank, Role.ADMIN, name="demo", days=1)
    print(  # noqa: T201 - this is what the command is for
        f"""
Imagebank is running. Nothing in it is real: synthetic phantoms and pydicom's test files.

  Study list     {web}/
  Sign in with   {web}/sign-in/{code}
                 (good once, for {access.LINK_MINUTES} minutes)
  Another link   {_another_link(settings)}
  DIMSE          {settings.ae_title} at {settings.dimse}
  DICOMweb       {web}/dicom-web
  Bearer token   {token}
                 (good for a day)
  Data           {settings.data.resolve()}

Ctrl-C ends it.
""",
        flush=True,
    )
