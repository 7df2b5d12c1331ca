"""Composition root: the only module that joins real parts.

What only one role or one kind of bank needs is imported where it is joined: every command and every process begins here.
"""

import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from imagebank.actions.audit import CountedReads
from imagebank.actions.commit import GroupCommit
from imagebank.actions.rules_in_force import SiteRules
from imagebank.bank import Bank
from imagebank.checking import check
from imagebank.dicom.sandbox import Sandbox
from imagebank.errors import BankError, Conflict, Unavailable
from imagebank.model.access import Device
from imagebank.model.attribute import catalogue
from imagebank.model.compression import Coding
from imagebank.model.rules import FILE as RULES_FILE
from imagebank.ports import Keys
from imagebank.ports.copies import Copies
from imagebank.ports.journal import Journal
from imagebank.process import Rest, end_with_parent, keep_freed_memory, let_go, loading
from imagebank.settings import Settings, SettingsError, load, variable
from imagebank.storage.account_keys import SQLAccountKeys
from imagebank.storage.compressed import CompressedBlobs, Store
from imagebank.storage.database import Database, open_database
from imagebank.storage.files import FileBlobs, segments_below
from imagebank.storage.index import SQLIndex
from imagebank.storage.jobs import SQLJobs
from imagebank.storage.keys import FileKeys, RootKeys, key_of, service_named
from imagebank.storage.migrate import migrate
from imagebank.storage.renditions import FileRenditions
from imagebank.storage.sealing import KeySeal
from imagebank.storage.segment_file import make_folder
from imagebank.storage.signing import LedgerKey, own_key, pseudonyms
from imagebank.threads import beside

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from imagebank.actions.mail import Desk
    from imagebank.actions.other_archives import Ways
    from imagebank.storage.copies import FileCopies
    from imagebank.worker import Work

_log = logging.getLogger(__name__)


def now() -> datetime:
    return datetime.now(UTC)


_FLUSH_S = 1.0
JOURNAL = "journal"
"""The folder in the data folder of what waits for an object store."""
COPIES = "copies"
"""The folder in the data folder of what was read from an object store, or put into it."""


def is_there(settings: Settings) -> bool:
    """Whether a bank was made with these settings. Elsewhere than in a folder, that is for the parts to say."""
    if not settings.is_embedded:
        return True
    return any((settings.data / name).exists() for name in ("index.db", "objects", "root.key"))


def _restored(sandbox: Sandbox, how: bytes, coding: Coding, coded: bytes, size: int) -> bytes:
    from imagebank.dicom.compress import restored

    return restored(sandbox, how, coding, coded, size)


@contextlib.contextmanager
def opened(settings: Settings, *, is_beside: bool = False) -> Iterator[Bank]:
    """A bank on real parts, made ready on first use and closed at the end.

    Whoever works beside those who wait for an answer has decoders that give way to theirs, and to what comes in.

    Raises Unavailable when the folder, the database or the object store does not answer, and SettingsError for a
    database that is not PostgreSQL and for what `checking.check` finds wrong.
    """
    keep_freed_memory()
    checked = check(settings)
    try:
        make_folder(settings.data)
    except OSError as error:
        raise Unavailable(f"the data folder {settings.data} cannot be used: {error.strerror}") from error
    store, root, was_empty = _objects(settings)
    engine = open_database(_database_url(settings))
    migrate(engine)
    _settle_node(settings, engine, root)
    people = own_key(engine, root, "people")
    keys = SQLAccountKeys(root, engine, people)
    sandbox = Sandbox(settings.decoders, settings.decode_memory_bytes, settings.decode_timeout_s, gives_way=is_beside)
    kept_in = store(keys)
    blobs = CompressedBlobs(kept_in, partial(_restored, sandbox))
    keys.keep_in(blobs)
    index = SQLIndex(engine, catalogue(), settings.duplicates, pseudonyms(people))
    if was_empty:
        # A database that is made beside objects is not complete before a reindex.
        with index.begin() as tx:
            tx.complete()
    reads = CountedReads(index, now)
    rules = SiteRules(index, settings.rules_file or settings.data / RULES_FILE, settings.organization, now)
    renditions = FileRenditions(settings.data / "pictures", settings.pictures_bytes)
    try:
        with _every_second(reads, sandbox):
            bank = Bank(
                index=index,
                blobs=blobs,
                jobs=SQLJobs(engine),
                commits=GroupCommit(blobs, index, now, timedelta(minutes=settings.arrival_quiet_minutes)),
                reads=reads,
                keys=keys,
                signer=LedgerKey(own_key(engine, root, "ledger")),
                seal=KeySeal(own_key(engine, root, "accounts")),
                sandbox=sandbox,
                settings=settings,
                rights=checked.rights,
                rules=rules,
                now=now,
                delays=checked.delays,
                renditions=renditions if settings.pictures_bytes > 0 else None,
                journal=_journal_of(settings, kept_in),
                copies=_copies_of(settings, kept_in),
            )
            if settings.attributes:
                _settle_attributes(bank)
            yield bank
    finally:
        reads.flush(is_last=True)
        sandbox.close()
        renditions.close()
        rules.close()
        blobs.close()
        index.close()


@contextlib.contextmanager
def _every_second(reads: CountedReads, sandbox: Sandbox) -> Iterator[None]:
    """Write the counts of reads, and give memory back once there is rest, in a thread beside."""
    rest = Rest()

    def look(stop: threading.Event) -> None:
        while not stop.wait(_FLUSH_S):
            try:
                reads.flush()
            except BankError:
                _log.warning("the counts of reads could not be written; they are tried again", exc_info=True)
            sandbox.rest()
            if rest.has_come():
                let_go()

    with beside("every-second", look):
        yield


def _settle_attributes(bank: Bank) -> None:
    from imagebank.actions import attributes

    try:
        attributes.settle(bank)
    except Conflict as error:
        raise SettingsError(f"the setting attributes: {error}") from None


def _database_url(settings: Settings) -> str:
    # Never shown: it may hold a password.
    if settings.database and not settings.database.startswith(("postgresql://", "postgres://")):
        raise SettingsError("the setting database is an address of the form postgresql://…, or empty for SQLite")
    return settings.database or f"sqlite:///{settings.data / 'index.db'}"


def _objects(settings: Settings) -> tuple[Callable[[Keys], Store], RootKeys, bool]:
    """How to open the object store, the root keys, and whether it was empty."""
    if not settings.objects:
        if settings.s3_durability == "journal":
            raise SettingsError("the setting s3_durability is about objects in S3, and the setting objects names none")
        folder = settings.data / "objects"
        was_empty = not segments_below(folder)
        return partial(FileBlobs, folder), _root_keys(settings, may_make=was_empty), was_empty
    from imagebank.storage.s3 import ObjectBlobs, is_empty, open_s3

    store, prefix = open_s3(
        settings.objects,
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
    )
    open_bucket = partial(ObjectBlobs, store, prefix=prefix)
    if settings.s3_durability == "object":
        was_empty = is_empty(store, prefix)
        open_copied = partial(open_bucket, copies=_copies(settings))
        return open_copied, _root_keys(settings, may_make=was_empty), was_empty
    from imagebank.storage.journal import JournalBlobs
    from imagebank.storage.journal_files import is_unused

    folder = settings.data / JOURNAL
    # A bank whose bucket is away starts all the same: it has deposited here before.
    was_empty = is_unused(folder) and is_empty(store, prefix)

    def open_journal(keys: Keys) -> Store:
        return JournalBlobs(folder, open_bucket(keys), keys, most=settings.s3_journal_bytes)

    return open_journal, _root_keys(settings, may_make=was_empty), was_empty


def _copies(settings: Settings) -> "FileCopies | None":
    if not settings.objects or settings.s3_durability != "object" or settings.s3_copies_bytes <= 0:
        return None
    from imagebank.storage.copies import FileCopies

    return FileCopies(settings.data / COPIES, settings.s3_copies_bytes)


def _settle_node(settings: Settings, engine: Database, root: RootKeys) -> None:
    """Only the node that keeps the journal opens the bank; without a journal any may, once nothing waits in one."""
    if not settings.objects:
        return
    from imagebank.storage import journal_node

    settle = journal_node.claim if settings.s3_durability == "journal" else journal_node.release
    try:
        settle(engine, root, settings.data / JOURNAL)
    except Conflict as error:
        raise SettingsError(f"the setting s3_durability: {error}") from None


def _journal_of(settings: Settings, store: Store) -> Journal | None:
    if settings.s3_durability != "journal":
        return None
    from imagebank.storage.journal import JournalBlobs

    assert isinstance(store, JournalBlobs)
    return store


def _copies_of(settings: Settings, store: Store) -> Copies | None:
    if not settings.objects or settings.s3_durability != "object":
        return None
    from imagebank.storage.s3 import ObjectBlobs

    assert isinstance(store, ObjectBlobs)
    return store.copies


def take_journal(settings: Settings) -> None:
    """Let this node keep the journal of a bank from now on, whoever did before. Raises as `opened` does."""
    from imagebank.storage import journal_node

    _, root, _ = _objects(settings)
    engine = open_database(_database_url(settings))
    migrate(engine)
    journal_node.take(engine, root, settings.data / JOURNAL)


def _root_keys(settings: Settings, *, may_make: bool) -> RootKeys:
    """A root key is made only where there are no objects yet: a lost key must not be replaced."""
    path = settings.root_key_file or settings.data / "root.key"
    match settings.root_key.split(":", 1):
        case [""]:
            return FileKeys(path, create=may_make)
        case ["env", name]:
            where = f"the variable {name}"
            return RootKeys(where, lambda: [key_of(text, where) for text in variable(name).split()])
        case ["kms", name]:
            return FileKeys(path, create=may_make, service=service_named(name))
    raise SettingsError("the setting root_key is empty, or of the form env:NAME or kms:NAME")


def viewer_folder() -> Path:
    """Where the prepared viewer lies: in the package, put there by `viewer/install.py`."""
    return Path(str(files("imagebank.portal"))) / "viewer"


def web_application(bank: Bank) -> "Starlette":
    """Every HTTP edge on one bank."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.routing import Mount

    from imagebank.dicomweb.capabilities import openapi_paths
    from imagebank.dicomweb.routes import dicomweb_routes
    from imagebank.fhir.routes import fhir_routes
    from imagebank.http.api import api_routes
    from imagebank.http.cors import Cors
    from imagebank.http.crowd import Crowd
    from imagebank.http.errors import NotSignedIn, on_bank_error, on_not_signed_in
    from imagebank.http.guard import Guard
    from imagebank.http.openapi import openapi_route
    from imagebank.http.patience import Patience
    from imagebank.http.refusals import Refusals
    from imagebank.http.rest import rest_paths, rest_routes
    from imagebank.http.routing import Table
    from imagebank.portal import export, finding, health_link, opening
    from imagebank.portal import rules as rule_pages
    from imagebank.portal.language import words_for
    from imagebank.portal.layout import on_unrouted
    from imagebank.portal.pages import portal_routes
    from imagebank.portal.viewer_files import viewer_routes

    described = openapi_paths() | rest_paths()
    application = Starlette(
        routes=[
            *dicomweb_routes(),
            *rest_routes(),
            openapi_route(api_routes(), described),
            *fhir_routes(),
            Mount("/viewer", routes=viewer_routes(viewer_folder(), opening.with_series)),
            *portal_routes(),
            *finding.ROUTES,
            *rule_pages.ROUTES,
            *export.ROUTES,
            *health_link.ROUTES,
        ],
        middleware=[
            Middleware(Guard, settings=bank.settings),
            Middleware(Crowd, settings=bank.settings),
            Middleware(Cors, origins=bank.settings.cors_origins),
            Middleware(Refusals, bank=bank),
            Middleware(Patience, settings=bank.settings),
        ],
        exception_handlers={BankError: on_bank_error, NotSignedIn: on_not_signed_in, HTTPException: on_unrouted},
    )
    application.router = Table(application.routes)
    application.state.bank = bank
    application.state.translate = export.translate
    application.state.speak = words_for
    return application


def web() -> "Starlette":
    """What the web server's processes load: a bank from the environment, closed when the server ends."""
    end_with_parent()
    from imagebank.actions import repeat_check
    from imagebank.actions.trail import running

    stack = contextlib.ExitStack()
    bank = stack.enter_context(opened(load()))
    stack.enter_context(running(bank, "web"))
    if bank.settings.warm_start:
        # Another process, which takes as long: begun first, it is ready when we are.
        threading.Thread(target=bank.sandbox.warm, name="warm-decoder", daemon=True).start()
    with loading():
        application = web_application(bank)
        if bank.settings.warm_start or bank.settings.cds_clients_file:
            repeat_check.warm(bank)
        if bank.settings.warm_start:
            from imagebank.actions import rehearsal
            from imagebank.portal import layout

            layout.warm()
            rehearsal.deposit(bank.index, bank.now)

    @contextlib.asynccontextmanager
    async def lifespan(_: "Starlette") -> AsyncIterator[None]:
        with stack:
            yield

    application.router.lifespan_context = lifespan
    return application


def mail_desk() -> "Desk":
    """The words of mail and the way out, for whoever sends it."""
    from imagebank import smtp
    from imagebank.actions.mail import Desk
    from imagebank.portal import mails

    return Desk(mails.write, smtp.post)


def mail_work() -> "Mapping[str, Work]":
    """The jobs that speak to the mail server."""
    from imagebank.actions import codes, forgotten, mail, notify

    desk, jobs = mail_desk(), {notify.MAIL: mail.send_job, codes.JOB: mail.code_job, forgotten.MAIL: forgotten.mail_job}
    return {name: partial(job, desk) for name, job in jobs.items()}


def transfer_work() -> "Mapping[str, Work]":
    """The jobs that send studies to other places, and bring them in from other banks."""
    from imagebank.actions import fetching, prefetch, transfer
    from imagebank.dicomweb import sending
    from imagebank.dimse import transfers
    from imagebank.http.taking import WEB

    return {
        transfer.JOB: partial(transfer.work, {"device": transfers.send, "url": sending.send}),
        fetching.JOB: partial(fetching.work, WEB),
        prefetch.PUSH: partial(prefetch.push_job, transfers.send),
    }


def asking_work() -> "Mapping[str, Work]":
    """The jobs that ask other archives what they hold."""
    from imagebank.actions import asking

    return {asking.JOB: partial(asking.work, _ways())}


def recalling_work() -> "Mapping[str, Work]":
    """The jobs that fetch studies from other archives."""
    from imagebank.actions import prefetch_away, recalling

    ways = _ways()
    return {
        recalling.JOB: partial(recalling.work, ways),
        prefetch_away.JOB: partial(prefetch_away.fetch_job, ways),
    }


def _ways() -> "Ways":
    from imagebank.dicomweb import other_archive as by_web
    from imagebank.dimse import other_archive as by_dimse

    return {"url": by_web.WAY, "device": by_dimse.WAY}


def echo(bank: Bank, device: Device) -> None:
    """Call a device by C-ECHO. Raises Unavailable when it does not answer."""
    from imagebank.dimse import scu

    scu.echo(bank.settings, device)
