"""What the supervisor has done to the bank. Where there is a stem another process does it, and the supervisor stays small."""

import os
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from imagebank import app, stem
from imagebank.ending import WRONG_USAGE
from imagebank.errors import Unavailable
from imagebank.settings import Settings, SettingsError, environment


def _prepare(settings: Settings) -> str:
    """Make the bank's key and its tables: the first process to open it does, and the others find them."""
    from imagebank.actions import trail

    with app.opened(settings) as bank:
        if settings.atna_host:
            # Before any part writes that it starts, which is to be told, too.
            trail.begin_telling(bank)
    return ""


def _invite_first_admin(settings: Settings) -> str:
    """The code by which the first admin gets in; empty when there is one already."""
    from imagebank.actions.account import invite_first_admin

    with app.opened(settings) as bank:
        return invite_first_admin(bank) or ""


def _sign(settings: Settings) -> str:
    """Sign that all parts have stopped: the worker may have been the first of them."""
    from imagebank.actions.ledger import closed

    with app.opened(settings) as bank, closed(bank):
        return ""


TASKS: Final[Mapping[str, Callable[[Settings], str]]] = {
    "prepare": _prepare,
    "invite": _invite_first_admin,
    "sign": _sign,
}


def have_done(task: str, settings: Settings) -> str:
    """What a task says. Raises as it does, and Unavailable when its process is lost."""
    forking = stem.ours()
    if forking is None:
        return TASKS[task](settings)
    answered, answering = os.pipe()
    file = stem.noted(environment(settings))
    with open(answered, "rb") as stream:  # noqa: PTH123 - it has no path
        try:
            forking.fork(task, {}, file, answering)
        except OSError as error:
            raise Unavailable("a part of the server could not be started") from error
        finally:
            os.close(file)
            os.close(answering)
        said = stream.read()
    if not said:
        raise Unavailable("a part of the server ended while it started; its message stands above")
    text, status = msgspec.msgpack.decode(said, type=tuple[str, int])
    if status:
        raise (SettingsError if status == WRONG_USAGE else Unavailable)(text)
    return text
