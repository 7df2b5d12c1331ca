"""What the server's stem loads, and what is forked off it: the supervisor, every role, and decoders."""

import gc
import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from imagebank import logs, process, stem
from imagebank.ending import told
from imagebank.errors import BankError
from imagebank.settings import Settings, SettingsError, load, take

if TYPE_CHECKING:
    from imagebank.serve import Role

_PARTS: Final = (
    "granian.server",
    "imagebank.actions.repeat_check",
    "imagebank.actions.trail",
    "imagebank.atna.delivery",
    "imagebank.dicomweb.routes",
    "imagebank.dicomweb.sending",
    "imagebank.dimse.server",
    "imagebank.dimse.commitment",
    "imagebank.dimse.routing",
    "imagebank.dimse.transfers",
    "imagebank.fhir.routes",
    "imagebank.hl7.listener",
    "imagebank.http.api",
    "imagebank.http.openapi",
    "imagebank.http.rest",
    "imagebank.http.taking",
    "imagebank.portal.pages",
    "imagebank.serve",
    "imagebank.worker",
)
"""What the roles load when they begin. What is missing here, each of them loads for itself."""


def main(environ: int) -> None:
    """Be the stem until the supervisor ends; the environment of the server is noted in a file of that number."""
    process.call([sys.executable, "-m", "imagebank", *sys.argv[1:]])
    try:
        work = stem.stay(_loaded(), "supervisor", environ)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(work())


def _loaded() -> Mapping[str, stem.Work]:
    """Load the program; what can be forked then."""
    gc.disable()
    from imagebank.exams.comparing import likeness
    from imagebank.exams.repeats import repeats

    # The largest tables there are, first: what is loaded afterwards fills the room that making them took. Whoever has
    # a site's own reads those for itself.
    likeness(None, None)
    repeats(None)
    gc.collect()
    for name in _PARTS:
        importlib.import_module(name)
    from imagebank import serve
    from imagebank.dicom import decoder, shade
    from imagebank.errands import TASKS

    with shade.apart():
        tasks = decoder.load()
    works: dict[str, stem.Work] = {role: partial(_role, role) for role in serve.ROLES}
    works |= {name: partial(_task, task) for name, task in TASKS.items()}
    works["supervisor"] = partial(_part, serve.supervise)
    works[decoder.FORKED] = partial(_decoder, tasks)
    gc.collect()
    process.let_go()
    # What is not looked through by the collector stays where it is, and is shared.
    gc.freeze()
    return works


def _part(run: Callable[[Settings], int], _: Mapping[str, Any], files: Sequence[int]) -> int:
    """Run a part of the server in the environment that is noted, as a command does; the exit status."""
    gc.enable()
    take(stem.read(files[0]))
    logs.begin(logging.WARNING, "%(levelname)s %(name)s %(message)s")
    try:
        return run(load())
    except (BankError, SettingsError, OSError) as error:
        text, status = told(error)
        sys.stderr.write(f"{text}\n")
        return status


def _task(task: Callable[[Settings], str], _: Mapping[str, Any], files: Sequence[int]) -> int:
    """Do something for the supervisor, which is told what came of it, and decides when we end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    said: tuple[str, int] = ("", 0)

    def run(settings: Settings) -> int:
        nonlocal said
        try:
            said = task(settings), 0
        except (BankError, SettingsError, OSError) as error:
            said = told(error)
        return 0

    status = _part(run, {}, files)
    os.write(files[1], msgspec.msgpack.encode(said))
    return status


def _role(role: "Role", given: Mapping[str, Any], files: Sequence[int]) -> int:
    from imagebank import serve

    os.setsid()
    process.call([sys.executable, "-m", "imagebank", "serve", "--role", role])

    def run(settings: Settings) -> int:
        serve.run(settings, role)
        return 0

    return _part(run, given, files)


def _decoder(tasks: Mapping[str, Any], given: Mapping[str, Any], files: Sequence[int]) -> int:
    from imagebank.dicom import decoder, shade

    process.call([sys.executable, "-m", "imagebank", "decoder"])
    gc.enable()
    with shade.apart():
        return decoder.forked(tasks, given, files)
