"""The command `imagebank`."""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from cyclopts import App, CycloptsError, Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from imagebank import __version__, importing
from imagebank import app as composition
from imagebank import demo as demonstration
from imagebank import serve as serving
from imagebank.actions import access, devices, quarantine, scrub
from imagebank.actions import reindex as reindexing
from imagebank.bank import Bank
from imagebank.errors import BankError
from imagebank.model.access import RIGHTS, Device, Principal, Right, Role, Scope
from imagebank.settings import Settings, SettingsError, load

ALL_WELL, NOT_WELL, WRONG_USAGE = 0, 1, 2

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)
cli = App(
    name="imagebank",
    help="An open-source, cloud-ready bank for medical images.",
    version=__version__,
    result_action="return_value",
)
token_cli = App(name="token", help="Bearer tokens: create, list, revoke.")
device_cli = App(name="device", help="DIMSE devices: add, list, remove, echo.")
quarantine_cli = App(name="quarantine", help="Objects laid aside: list, get, submit, delete.")
for group in (token_cli, device_cli, quarantine_cli):
    cli.command(group)


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Which bank, and how to answer."""

    data: Path | None = None
    """Folder of the bank."""
    config: Path | None = None
    """An imagebank.toml with settings."""
    json: Annotated[bool, Parameter(negative="")] = False
    """Answer in JSON, for machines."""

    def settings(self, **given: Any) -> Settings:
        return load(self.config, data=self.data, **given)


_HERE = Common()


@contextmanager
def _bank(common: Common) -> Iterator[Bank]:
    with composition.opened(common.settings()) as bank:
        yield bank


@contextmanager
def _progress(what: str) -> Iterator[scrub.Progress]:
    """A bar on standard error for long work on many objects."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("objects"), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def operator(bank: Bank) -> Principal:
    """Whoever may run commands on the bank's own folder may do everything."""
    return Principal("operator", Role.ADMIN, bank.settings.organization, RIGHTS[Role.ADMIN], Scope(None))


def _say(common: Common, rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Rows as a table for people, or as JSON for machines."""
    if common.json:
        sys.stdout.write(orjson.dumps(rows, default=str, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns))
    out.print(table)


@cli.command
def serve(
    common: Common = _HERE,
    *,
    role: Literal["web", "dimse", "worker"] | None = None,
    http: str | None = None,
    dimse: str | None = None,
    ae_title: str | None = None,
    dimse_tls: str | None = None,
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    tls_ca: Path | None = None,
) -> int:
    """Run the bank until SIGTERM; ready when /readyz answers 200.

    Example: imagebank serve --data /srv/imagebank --http 127.0.0.1:8080 --dimse 127.0.0.1:11112

    Parameters
    ----------
    role: Run one part of the server only; all without it.
    http: HOST:PORT of the web server.
    dimse: HOST:PORT of the DIMSE server.
    ae_title: Our application entity title.
    dimse_tls: HOST:PORT of a TLS listener for DIMSE.
    tls_cert: Its certificate chain, PEM.
    tls_key: Its private key, PEM.
    tls_ca: Authorities of client certificates, PEM; with it a client certificate is required.
    """
    settings = common.settings(
        http=http,
        dimse=dimse,
        ae_title=ae_title,
        dimse_tls=dimse_tls,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_ca=tls_ca,
    )
    if role is not None:
        serving.run(settings, role)
        return ALL_WELL
    return serving.supervise(settings)


@cli.command
def demo(common: Common = _HERE, *, http: str | None = None, dimse: str | None = None) -> int:
    """Run a bank with sample people and studies, and say where to look.

    Parameters
    ----------
    http: HOST:PORT of the web server.
    dimse: HOST:PORT of the DIMSE server.
    """
    data = common.data or Path("demo-data")
    return demonstration.run(load(common.config, data=data, http=http, dimse=dimse))


@cli.command(name="import")
def import_(
    *paths: Path, common: Common = _HERE, organization: str | None = None, again: bool = False, watch: bool = False
) -> int:
    """Bring in files, folders and ZIP archives; whatever is in already is not read again.

    Example: imagebank import --data /srv/imagebank /media/cdrom ~/archive.zip

    Parameters
    ----------
    paths: Files, folders, ZIP archives.
    organization: Assigning authority of patient identifiers that name none; the bank's own without it.
    again: Read everything, also what an earlier import has settled.
    watch: Stay, and bring in what comes later.
    """
    if not paths:
        err.print("name at least one file or folder; see `imagebank import --help`")
        return WRONG_USAGE
    with _bank(common) as bank:
        wish = importing.Wish(paths, organization or bank.settings.organization, again=again, watch=watch)
        tally = importing.run(bank, wish, err)
    importing.report(tally, out, as_json=common.json)
    return ALL_WELL if tally.is_complete and not tally.refused else NOT_WELL


@cli.command
def verify(common: Common = _HERE, *, sweep: bool = False) -> int:
    """Read every object, compare its digest with what arrived, and look for losses.

    Parameters
    ----------
    sweep: Delete records that nothing refers to, such as an interrupted deposit leaves.
    """
    with _bank(common) as bank, _progress("reading") as progress:
        findings = scrub.verify(bank, sweep=sweep, progress=progress)
    rows = [
        {"finding": kind, "object": text}
        for kind, texts in (("lost", findings.lost), ("damaged", findings.damaged), ("orphan", findings.orphans))
        for text in texts
    ]
    if not findings.is_indexed:
        err.print("the index is not complete: it was lost, or is being rebuilt; `imagebank reindex` rebuilds it")
    if common.json:
        answer = {
            "checked": findings.checked,
            "bytes": findings.bytes,
            "is_indexed": findings.is_indexed,
            "is_clean": findings.is_clean,
            "findings": rows,
        }
        sys.stdout.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        if rows:
            _say(common, rows, ("finding", "object"))
        out.print(
            f"{findings.checked} objects ({findings.bytes:,} bytes) read; "
            f"{len(findings.lost)} lost, {len(findings.damaged)} damaged, {len(findings.orphans)} orphans"
        )
    return ALL_WELL if findings.is_clean else NOT_WELL


@cli.command
def reindex(common: Common = _HERE) -> int:
    """Rebuild the index from the objects alone. Stop the server first."""
    with _bank(common) as bank, _progress("entering") as progress:
        rebuilt = reindexing.reindex(bank, progress)
    _say(common, [{"objects": rebuilt.objects}], ("objects",))
    for text in rebuilt.unreadable:
        err.print(f"cannot be read: {text}", markup=False)
    return ALL_WELL if not rebuilt.unreadable else NOT_WELL


@cli.command
def sign_in_link(
    common: Common = _HERE, *, role: Role = Role.ADMIN, name: str = "operator", organization: str = ""
) -> int:
    """Print a link that signs a browser in, once.

    Parameters
    ----------
    role: What the browser may do.
    name: Under which name it stands in the ledger.
    organization: Whose studies it sees.
    """
    with _bank(common) as bank:
        code = access.sign_in_link(bank, role, name, organization)
        web = bank.settings.public_url or f"http://{bank.settings.http}"
    sys.stdout.write(f"{web}/sign-in/{code}\n")
    return ALL_WELL


@token_cli.command
def create(common: Common = _HERE, *, role: Role, organization: str = "", name: str = "", days: float = 365) -> int:
    """Print a new bearer token, alone; it is shown this once.

    Example: imagebank token create --data /srv/imagebank --role clinician --name ward-3 --days 30

    Parameters
    ----------
    role: What its holder may do.
    organization: Whose studies its holder sees and deposits for; an admin sees all.
    name: Under which name it stands in the ledger.
    days: How long it lives.
    """
    with _bank(common) as bank:
        sys.stdout.write(access.issue_token(bank, role, organization, name, days) + "\n")
    return ALL_WELL


@token_cli.command(name="list")
def token_list(common: Common = _HERE) -> int:
    """Tokens by name; the tokens themselves are not kept."""
    with _bank(common) as bank:
        tokens = bank.index.tokens()
    columns = ("name", "role", "organization", "created_at", "expires_at")
    _say(common, [{column: getattr(token, column) for column in columns} for token in tokens], columns)
    return ALL_WELL


@token_cli.command
def revoke(name: str, *, common: Common = _HERE) -> int:
    """End every token of a name, from the next request on."""
    with _bank(common) as bank:
        access.revoke_token(bank, name)
    return ALL_WELL


@device_cli.command
def add(
    common: Common = _HERE,
    *,
    aet: str,
    host: str,
    port: int,
    tls: bool = False,
    rights: str = "store,find,move,get",
    organization: str = "",
) -> int:
    """Register a DIMSE device, also as a C-MOVE destination; in force at its next association.

    Example: imagebank device add --aet CT1 --host 10.1.2.3 --port 104 --rights store

    Parameters
    ----------
    aet: Its application entity title.
    host: Its address or name; calls from elsewhere are refused.
    port: Where it listens.
    tls: Whether it listens with TLS.
    rights: Any of store, find, move, get, with commas.
    organization: Assigning authority of its patient identifiers; whose studies it sees.
    """
    try:
        granted = frozenset(Right(part.strip()) for part in rights.split(",") if part.strip())
    except ValueError:
        err.print("rights are any of store, find, move, get, with commas between them")
        return WRONG_USAGE
    with _bank(common) as bank:
        devices.add(bank, Device(aet, host, port, tls, granted, organization or bank.settings.organization))
    return ALL_WELL


@device_cli.command(name="list")
def device_list(common: Common = _HERE) -> int:
    """Registered devices."""
    with _bank(common) as bank:
        found = bank.index.devices()
    rows = [
        {
            "aet": one.aet,
            "host": one.host,
            "port": one.port,
            "tls": one.tls,
            "rights": ",".join(sorted(one.rights)),
            "organization": one.organization,
        }
        for one in found
    ]
    _say(common, rows, ("aet", "host", "port", "tls", "rights", "organization"))
    return ALL_WELL


@device_cli.command(name="remove")
def device_remove(aet: str, *, common: Common = _HERE) -> int:
    """Take a device off the register."""
    with _bank(common) as bank:
        devices.remove(bank, aet)
    return ALL_WELL


@device_cli.command
def echo(aet: str, *, common: Common = _HERE) -> int:
    """Call a registered device by C-ECHO."""
    with _bank(common) as bank:
        composition.echo(bank, devices.destination(bank, aet))
    out.print(f"{aet} answers")
    return ALL_WELL


@quarantine_cli.command(name="list")
def quarantine_list(common: Common = _HERE) -> int:
    """What lies in quarantine, with the reasons."""
    with _bank(common) as bank:
        found = quarantine.listed(bank, operator(bank))
    rows = [
        {"number": one.id, "received_at": one.received_at, "from": one.source.principal, "file": one.name,
         "bytes": one.location.size, "reason": one.reason}
        for one in found
    ]  # fmt: skip
    _say(common, rows, ("number", "received_at", "from", "file", "bytes", "reason"))
    return ALL_WELL


@quarantine_cli.command
def get(number: int, to: Path, *, common: Common = _HERE) -> int:
    """Write an object from quarantine to a file, as it came."""
    with _bank(common) as bank:
        pieces = quarantine.content(bank, number, operator(bank))
        with to.open("xb") as stream:
            stream.writelines(pieces)
    return ALL_WELL


@quarantine_cli.command
def submit(number: int, *, common: Common = _HERE) -> int:
    """Send an object in again; it leaves quarantine when it is kept."""
    with _bank(common) as bank:
        receipt = quarantine.submit_again(bank, number, operator(bank))
    out.print(f"{receipt.outcome}{f': {receipt.error}' if receipt.error else ''}")
    return ALL_WELL if receipt.is_kept else NOT_WELL


@quarantine_cli.command
def delete(number: int, *, common: Common = _HERE) -> int:
    """Delete an object from quarantine for good."""
    with _bank(common) as bank:
        quarantine.let_go(bank, number, operator(bank))
    return ALL_WELL


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status: 0 all well, 1 something refused, lost or altered, 2 wrong usage."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    try:
        result = cli(arguments, exit_on_error=False, print_error=True)
    except (CycloptsError, SettingsError) as error:
        if isinstance(error, SettingsError):
            err.print(str(error))
        return WRONG_USAGE
    except (BankError, OSError) as error:
        err.print(str(error))
        return NOT_WELL
    except KeyboardInterrupt:
        return NOT_WELL
    return result if isinstance(result, int) else ALL_WELL


def main() -> None:
    sys.exit(run())
