"""Which node keeps the journal of a bank: what waits in it can be read there only.

A node is known by a number in the folder of its journal; the database has that of the one that keeps it.
"""

import os
import secrets
from pathlib import Path
from typing import Final

from sqlalchemy import delete

from imagebank.errors import Conflict
from imagebank.ports import Keys
from imagebank.storage.database import Database, insert_new
from imagebank.storage.files import segments_below
from imagebank.storage.journal_files import WAITING, unopened
from imagebank.storage.segment_file import make_folder, refusal, sync_folder
from imagebank.storage.signing import kept_key
from imagebank.storage.tables import secret

_NAME: Final = "journal"
_FILE: Final = "node"
_BYTES: Final = 32


def claim(database: Database, keys: Keys, folder: Path) -> None:
    """Keep the journal of the bank here, if nobody does elsewhere. Raises Conflict, Unavailable."""
    mine = _own(folder)
    with database.writing() as connection:
        insert_new(connection, secret, {"name": _NAME, "wrapped": keys.wrap(mine)})
    if _keeper(database, keys) != mine:
        raise Conflict(
            "another node keeps the journal of this bank, and only one may: what it has not uploaded can be read there "
            "only; run the bank there, or, if its disk is lost, imagebank journal take here"
        )


def take(database: Database, keys: Keys, folder: Path) -> None:
    """Keep the journal of the bank here from now on, whoever did before. Raises Unavailable."""
    mine = _own(folder)
    with database.writing() as connection:
        connection.execute(delete(secret).where(secret.c.name == _NAME))
        insert_new(connection, secret, {"name": _NAME, "wrapped": keys.wrap(mine)})


def release(database: Database, keys: Keys, folder: Path) -> None:
    """Keep no journal any more, once nothing waits in it. Raises Conflict, Unavailable."""
    keeper = _keeper(database, keys)
    if keeper is None:
        return
    if keeper != _read(folder):
        raise Conflict(
            "another node keeps a journal of this bank, and what it has not uploaded can be read there only; run the "
            "bank there, with s3_durability = journal"
        )
    if segments_below(folder / WAITING):
        raise Conflict(
            "a journal was kept here, and not all of it was uploaded; run with s3_durability = journal until "
            "`imagebank journal upload` says that nothing waits"
        )
    with unopened(folder) as is_so:
        if not is_so:
            raise Conflict("processes of this node run with s3_durability = journal; all have to have the same")
        with database.writing() as connection:
            connection.execute(delete(secret).where(secret.c.name == _NAME))


def _keeper(database: Database, keys: Keys) -> bytes | None:
    kept = kept_key(database, _NAME)
    return None if kept is None else keys.unwrap(kept)


def _own(folder: Path) -> bytes:
    """This node's number; made when it has none. Two processes that start at once agree."""
    try:
        make_folder(folder)
        path = folder / _FILE
        if not path.exists():
            draft = folder / f"{_FILE}.{os.getpid()}"
            try:
                with draft.open("w") as stream:
                    stream.write(secrets.token_bytes(_BYTES).hex())
                    stream.flush()
                    os.fsync(stream.fileno())  # an empty file under that name would be another node
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink(missing_ok=True)
            sync_folder(folder)
        return bytes.fromhex(path.read_text())
    except OSError as error:
        raise refusal(error) from error


def _read(folder: Path) -> bytes | None:
    try:
        return bytes.fromhex((folder / _FILE).read_text())
    except (OSError, ValueError):
        return None
