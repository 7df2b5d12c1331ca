"""dcmtk's programs as outside clients: storescu, findscu, getscu, movescu and storescp."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from imagebank.bench.archives import CALLER, Archive
from imagebank.bench.asking import Wrong
from imagebank.bench.servers import HOST, running, wait_until_listening

PROGRAMS: Final = ("storescu", "findscu", "getscu", "movescu", "storescp")
_LONGEST_S: Final = 600.0
_PDU: Final = "131072"
_COMPLETED: Final = re.compile(r"Number of Completed Suboperations\s*:\s*(\d+)")
_FOUND: Final = re.compile(r"Find Response: \d+ \(Pending\)")
_ARRIVED: Final = "Received Store Request"
# findscu says each answer in fifty calls of the kernel, which take twice as long as all else that it does.
_IN_BLOCKS: Final = """\
log4cplus.rootLogger = INFO, file
log4cplus.appender.file = log4cplus::FileAppender
log4cplus.appender.file.File = {log}
log4cplus.appender.file.ImmediateFlush = false
log4cplus.appender.file.layout = log4cplus::PatternLayout
log4cplus.appender.file.layout.ConversionPattern = %m%n
"""


def missing() -> list[str]:
    return [program for program in PROGRAMS if shutil.which(program) is None]


def version() -> str:
    said = subprocess.run(["storescu", "--version"], capture_output=True, text=True, timeout=20, check=False).stdout  # noqa: S607 - found on the path, as an operator would
    return said.partition(" v")[2].partition(" ")[0]


def store(archive: Archive, folders: Sequence[Path]) -> float:
    """Send each folder's files over an association of its own, all at once; seconds until the last has ended.

    Raises Wrong when a client did not end well.
    """
    began = time.perf_counter()
    with ExitStack() as stack:
        options = ("-R", "--max-send-pdu", _PDU, "+sd")
        clients = [stack.enter_context(_client("storescu", archive, *options, last=(str(one),))) for one in folders]
        for client in clients:
            _end("storescu", client)
    return time.perf_counter() - began


def find(archive: Archive, level: str, keys: Mapping[str, str], times: int, folder: Path) -> tuple[float, int]:
    """Ask the same question some times over one association; seconds of all, the program's start among them, and matches.

    What was found it writes into a file of the folder. Raises Wrong when not every answer had as many matches.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log, how = folder / "findscu.log", folder / "findscu.cfg"
    how.write_text(_IN_BLOCKS.format(log=log))
    options = ("-S", "--repeat", str(times), "--log-config", str(how), "--max-pdu", _PDU, *_keys(level, keys))
    began = time.perf_counter()
    with _client("findscu", archive, *options) as client:
        _end("findscu", client, log)
    seconds = time.perf_counter() - began
    found = len(_FOUND.findall(log.read_text(errors="replace")))
    if found % times:
        raise Wrong(f"{times} equal questions by C-FIND had {found} matches")
    return seconds, found // times


def get(archive: Archive, study: str, *instance: str, into: Path | None = None) -> tuple[float, int]:
    """C-GET of a study, or of a series and instance in it; seconds, and how many instances came.

    What comes is thrown away without a folder.
    """
    kept = ("-od", str(into), "+B") if into else ("--ignore",)
    uids = dict(zip(("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"), (study, *instance), strict=False))
    options = ("-S", "-v", "--max-pdu", _PDU, *kept, *_keys("IMAGE" if instance else "STUDY", uids))
    return _retrieve("getscu", archive, options)


def move(archive: Archive, study: str, folder: Path) -> tuple[float, int]:
    """C-MOVE of a study to dcmtk's storescp, which throws it away; seconds, and how many instances went."""
    command = ["storescp", "-v", "--max-pdu", _PDU, "--ignore", "-aet", CALLER, str(archive.move_port)]
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "storescp.log"
    with running(command, log, folder):
        wait_until_listening(archive.move_port)
        options = ("-S", "-v", "-aem", CALLER, *_keys("STUDY", {"StudyInstanceUID": study}))
        seconds, _ = _retrieve("movescu", archive, options)
    return seconds, log.read_text(errors="replace").count(_ARRIVED)


def _retrieve(program: str, archive: Archive, options: Sequence[str]) -> tuple[float, int]:
    began = time.perf_counter()
    with _client(program, archive, *options) as client:
        said = _end(program, client)
    seconds = time.perf_counter() - began
    completed = _COMPLETED.findall(said)
    return seconds, int(completed[-1]) if completed else 0


def _keys(level: str, keys: Mapping[str, str]) -> Iterator[str]:
    for name, value in {"QueryRetrieveLevel": level, **keys}.items():
        yield "-k"
        yield f"{name}={value}"


@contextmanager
def _client(
    program: str, archive: Archive, *options: str, last: Sequence[str] = ()
) -> Iterator["subprocess.Popen[bytes]"]:
    command = [program, "-aet", CALLER, "-aec", archive.title, *options, HOST, str(archive.dicom_port), *last]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # noqa: S603 - one of dcmtk's
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _end(program: str, process: "subprocess.Popen[bytes]", log: Path | None = None) -> str:
    """Wait for its end; what it said. Raises Wrong, with what stands in its log, when it did not end well."""
    said = process.communicate(timeout=_LONGEST_S)[0].decode(errors="replace")
    if process.returncode:
        said += log.read_text(errors="replace") if log is not None and log.exists() else ""
        raise Wrong(f"{program} ended with {process.returncode}: {said.strip()[-200:]}")
    return said
