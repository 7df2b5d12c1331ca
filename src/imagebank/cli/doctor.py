"""`imagebank doctor`: what is weak about a bank's settings, files and state, and what to do about it."""

import ctypes
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from imagebank.cli.console import ALL_WELL, HERE, NOT_WELL, Common, operator, out
from imagebank.errors import BankError
from imagebank.model.delay import MOST_HOURS
from imagebank.settings import Settings, unknown_variables

if TYPE_CHECKING:
    from imagebank.bank import Bank

_LONG_LIFE: Final = timedelta(days=400)
_UNSIGNED: Final = timedelta(hours=1)
_SKEW: Final = timedelta(seconds=30)
_LATE: Final = timedelta(hours=1)
_LATEST_EVENTS: Final = 1000
_LEAST_FREE_BYTES: Final = 5 << 30
_LEAST_FREE_PART: Final = 0.05
_UNSYNCHRONISED: Final = 5  # adjtimex(2): TIME_ERROR
_TIMEX_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that could be better. `is_weak` tells what has to be mended from what is to be known."""

    check: str
    is_weak: bool
    words: str
    step: str


def doctor(*, common: Common = HERE) -> int:
    """Look at a bank's settings, files and state, and say what is weak and what to do about it.

    Ends with 1 when something is weak. Nothing is changed.

    Example: imagebank doctor --data /srv/imagebank
    """
    from imagebank import app as composition

    settings = common.settings()
    findings = [*of_settings(settings), *of_files(settings), *of_the_machine(settings), *of_the_provider(settings)]
    if composition.is_there(settings):
        try:
            with composition.opened(settings) as bank:
                findings += of_the_bank(bank)
        except BankError as error:
            findings.append(Finding("opening", True, f"the bank does not open: {error}", "mend that first"))
    else:
        findings.append(Finding("opening", False, "there is no bank here yet", "`imagebank serve` makes one"))
    _tell(findings, as_json=common.json)
    return NOT_WELL if any(finding.is_weak for finding in findings) else ALL_WELL


def of_settings(settings: Settings) -> Iterator[Finding]:
    """What the settings leave open."""
    yield from _of_the_web(settings)
    yield from _of_dimse(settings)
    for origin in settings.cors_origins:
        if origin.startswith("http:") and not _is_local(origin.partition("//")[2]):
            words = f"{origin} may speak to the interfaces for programs, and comes without encryption"
            yield Finding("cors", True, words, "name it by https in cors_origins")
    if settings.atna_host and settings.atna_transport != "tls" and not _is_local(settings.atna_host):
        words = f"audit messages go to {settings.atna_host} by {settings.atna_transport}, where others can read them"
        yield Finding("audit", True, words, 'set atna_transport = "tls"')
    yield from _of_mail(settings)
    yield from _of_reports(settings)
    for name in unknown_variables():
        yield Finding("settings", False, f"no setting has the name of the variable {name}", "correct or remove it")


def _of_reports(settings: Settings) -> Iterator[Finding]:
    longest = max((one.hours for one in settings.report_delays), default=0.0)
    if longest > MOST_HOURS:
        words = f"patients wait {longest:g} hours for some reports, and law such as 45 CFR 171 argues for none"
        yield Finding("reports", True, words, f"set hours in report_delays to {MOST_HOURS} at most, or to none at all")
    elif longest:
        words = f"patients wait up to {longest:g} hours for some reports; a report can be released at once on its page"
        yield Finding("reports", False, words, "see docs/delays.md, and ask who knows the law of your country")


def _of_mail(settings: Settings) -> Iterator[Finding]:
    if settings.smtp and settings.smtp_tls == "none" and not _is_local(settings.smtp):
        words = f"mail goes to {settings.smtp} without TLS, and others can read whom the bank tells something"
        yield Finding("mail", True, words, 'set smtp_tls = "starttls" or "tls"')
    if settings.smtp and not settings.public_url and not _is_local(settings.http):
        words = "public_url is not set: links in mail lead to an address of this machine"
        yield Finding("mail", True, words, "set public_url to the address that people use")


def _of_the_web(settings: Settings) -> Iterator[Finding]:
    is_open = not _is_local(settings.http)
    if is_open and settings.http_tls_cert is None:
        if settings.public_url.startswith("https:"):
            words = f"the web server listens on {settings.http} without TLS, so that callers may pass by the proxy"
            yield Finding("web", True, words, "listen on an address that only the proxy reaches, or give http_tls_cert")
        else:
            words = f"the web server listens on {settings.http}, and passwords and images go in the clear"
            step = (
                "give http_tls_cert and http_tls_key, or put a proxy before it (deploy/nginx.conf) and set public_url"
            )
            yield Finding("web", True, words, step)
    elif is_open and not settings.public_url:
        words = "public_url is not set: addresses in answers and sign-in links follow what callers say"
        yield Finding("web", False, words, "set public_url to the address that people use")
    if settings.public_url.startswith("http:") and not _is_local(settings.public_url.partition("//")[2]):
        words = "public_url is plain http: cookies are sent in the clear"
        yield Finding("web", True, words, "put TLS before the bank and set public_url to its https address")
    if settings.public_url and not is_open and not settings.trusted_proxies:
        words = "a proxy stands before the bank, and every caller has its address in the ledger and in limits of tries"
        yield Finding(
            "web", False, words, "set trusted_proxies to the address of the proxy, which sets X-Forwarded-For"
        )


def _of_dimse(settings: Settings) -> Iterator[Finding]:
    if not _is_local(settings.dimse):
        words = f"DIMSE listens on {settings.dimse} without TLS: images go in the clear, addresses can be forged"
        step = "set dimse_tls, register devices with --tls, and listen by `dimse` on loopback or a closed network only"
        yield Finding("dimse", True, words, step)
        if settings.accepts_strangers:
            words = "unregistered devices may call from this machine, and the listener is not for this machine alone"
            yield Finding("dimse", True, words, "set open_loopback = false and register each device")
    if settings.dimse_tls and settings.tls_ca is None:
        words = "the TLS listener of DIMSE asks for no client certificate"
        yield Finding("dimse", False, words, "set tls_ca to the authorities of your devices")


def of_files(settings: Settings) -> Iterator[Finding]:
    """What other people on the machine can read, and what one loss would take with it."""
    key = settings.root_key_file or settings.data / "root.key"
    is_closed = settings.data.exists() and not _is_open(settings.data)
    given = (settings.tls_key, settings.http_tls_key, settings.atna_tls_key)
    secrets = (settings.data, key, *given, *sorted(settings.data.glob("index.db*")))
    for path in filter(None, secrets):
        # In a closed folder nothing is open.
        if path.exists() and _is_open(path) and not (is_closed and path.parent == settings.data):
            yield Finding("files", True, f"others on this machine may look into {path}", f"chmod go-rwx {path}")
    if not settings.root_key and settings.root_key_file is None and key.exists():
        words = f"the root key {key} lies beside what it protects: who takes the folder has both, who loses it, neither"
        yield Finding("root key", not _is_local(settings.http), words, _key_step(settings))


def _key_step(settings: Settings) -> str:
    place = "on another disk" if not settings.objects else "where the objects are not"
    return f"keep a copy off this machine, and move the key {place} by root_key_file, or take it by root_key"


def of_the_machine(settings: Settings) -> Iterator[Finding]:
    """Room and time."""
    folder = next((path for path in (settings.data, *settings.data.absolute().parents) if path.exists()), Path("/"))
    usage = shutil.disk_usage(folder)
    if usage.free < max(_LEAST_FREE_BYTES, _LEAST_FREE_PART * usage.total):
        words = f"{usage.free / 2**30:.1f} GiB are free where {settings.data} lies"
        yield Finding("disk", True, words, "make room; deposits are refused when there is none")
    if not _is_synchronised():
        words = "nothing keeps the clock of this machine right, and the ledger's times hang on it"
        yield Finding("clock", False, words, "run a time service, such as chrony")


def _is_synchronised() -> bool:
    """Whether the kernel says that a time service steers its clock; taken as yes where it cannot be asked."""
    if sys.platform != "linux":
        return True
    return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))) != _UNSYNCHRONISED


def of_the_provider(settings: Settings) -> Iterator[Finding]:
    """Whether people can sign in at their provider, who is asked for that."""
    from imagebank.actions.identity import Provider
    from imagebank.http.fetch import fetch

    if not settings.oidc_issuer:
        return
    if not (settings.oidc_client_id and settings.oidc_roles):
        words = f"nobody can sign in at {settings.oidc_issuer} without oidc_client_id and oidc_roles"
        yield Finding("provider", True, words, "set both")
    try:
        unlisted = Provider(settings, fetch).unlisted()
    except BankError as error:
        yield Finding("provider", True, f"nobody can sign in at {settings.oidc_issuer}: {error}", "mend that")
        return
    if unlisted:
        words = f"nobody can sign in at {settings.oidc_issuer}: it is also asked at {', '.join(unlisted)}, unnamed here"
        step = f"if that is right, set oidc_hosts = {[*settings.oidc_hosts, *unlisted]}".replace("'", '"')
        yield Finding("provider", True, words, step)


def of_the_bank(bank: "Bank") -> Iterator[Finding]:
    """What a bank says when it is asked."""
    yield from _of_the_journal(bank)  # first: others may ask an object store that is away
    yield from _of_the_copies(bank)
    try:
        is_sealed = bank.sandbox.is_sealed()
    except BankError as error:
        yield Finding("sandbox", True, f"no decoder can be started: {error}", "see decode_memory_bytes")
    else:
        if not is_sealed:
            words = "this kernel takes no filter of system calls (seccomp): decoders are held by their limits alone"
            yield Finding(
                "sandbox", True, words, "run on Linux on x86_64 or aarch64, and let the container permit seccomp"
            )
    yield from _of_callers(bank)
    yield from _of_certificates(bank)
    yield from _of_the_ledger(bank)
    yield from _of_the_rules(bank)
    yield from _of_the_mail(bank)
    yield from _of_prefetch(bank)
    yield from _of_archives(bank)


def _of_the_journal(bank: "Bank") -> Iterator[Finding]:
    from imagebank.actions import journal

    if bank.journal is None:
        return
    if words := journal.complaint(bank):
        step = "see that the object store answers and `imagebank serve`, or `--role worker`, runs on this node"
        yield Finding("journal", True, words, step)
    words = f"what this node has not uploaded yet is lost with the disk that {bank.settings.data} lies on"
    yield Finding("journal", False, words, "see that it is a replicated volume (docs/durability.md)")


def _of_the_copies(bank: "Bank") -> Iterator[Finding]:
    if bank.copies is None:
        if bank.settings.objects and bank.settings.s3_durability == "object":
            words = "nothing that is read from the object store is copied to this node: each read is a request"
            yield Finding("copies", False, words, "set s3_copies_bytes, if a disk is there (docs/object-store.md)")
        return
    found = bank.copies.told()
    words = (
        f"copies of what the object store has take {found.octets >> 20} MiB of this node's disk, and may take "
        f"{found.most >> 20}"
    )
    yield Finding("copies", False, words, "see s3_copies_bytes, if that is too much or too little")


def _of_archives(bank: "Bank") -> Iterator[Finding]:
    from imagebank.actions import elsewhere, other_archives
    from imagebank.exams.prefetching import prefetching

    known = other_archives.listed(bank)
    for one, line in zip(known.values(), elsewhere.lines(bank), strict=True):
        if one.device and bank.index.device(one.device) is None:
            words = f"the archive {one.name} is reached as {one.device}, which no device is registered as"
            yield Finding("archives", True, words, "register it by `imagebank device add`, or change archives_file")
        elif line.since is not None:
            words = f"the archive {one.name} does not answer since {line.since:%Y-%m-%d %H:%M} UTC: {line.reason}"
            yield Finding("archives", True, words, "`imagebank archive list` shows when it is asked again")
        elif line.reason:
            yield Finding("archives", True, f"the archive {one.name}: {line.reason}", "ask who runs it")
    for rule in prefetching(bank.settings.prefetch_file).fetch:
        if rule.archive not in known:
            words = f"priors shall be fetched from {rule.archive}, which is no archive of archives_file"
            yield Finding("archives", True, words, "name one that is listed in prefetch_file")


def _of_prefetch(bank: "Bank") -> Iterator[Finding]:
    from imagebank.exams.prefetching import prefetching

    for rule in prefetching(bank.settings.prefetch_file).push:
        if bank.index.device(rule.device) is None:
            words = f"priors shall go to {rule.device}, which no device is registered as"
            yield Finding("prefetch", True, words, "register it by `imagebank device add`, or change prefetch_file")
        else:
            studies, octets = bank.index.prefetches.done_since(rule.device, bank.now() - timedelta(days=1))
            words = f"{studies} priors ({octets >> 20} MiB) went to {rule.device} within a day"
            yield Finding("prefetch", False, words, "`imagebank prefetch list` shows them")
    for link in bank.index.prefetches.links(bank.now() - timedelta(days=1)):
        if link.failed:
            words = f"priors whose last try on the link {link.device} did not work: {link.failed}"
            yield Finding(
                "prefetch", True, words, "the page /prefetch names them; `imagebank device echo` calls a device"
            )


def _of_callers(bank: "Bank") -> Iterator[Finding]:
    from imagebank.model.access import Role

    now = bank.now()
    tokens = bank.index.tokens()
    for token in tokens:
        named = f"the token {token.name}"
        if token.expires_at <= now:
            step = f"imagebank token revoke {token.name}"
            yield Finding("tokens", False, f"{named} ended on {token.expires_at:%Y-%m-%d}, and is still listed", step)
        elif token.expires_at - token.created_at > _LONG_LIFE:
            words = f"{named} is good until {token.expires_at:%Y-%m-%d}: longer than anybody remembers who has it"
            yield Finding("tokens", True, words, "make a new one with fewer --days, and revoke this one")
    people = [account for account in bank.index.people.accounts() if not account.is_locked]
    if not any(one.role is Role.ADMIN for one in people):
        words = "nobody has an account as an administrator: whoever runs commands here is the only one"
        yield Finding("accounts", False, words, "`imagebank sign-in-link` lets the first one in")


def _of_certificates(bank: "Bank") -> Iterator[Finding]:
    """Who has to show a certificate, and nobody asks for it."""
    settings = bank.settings
    if not (settings.dimse_tls and settings.tls_ca):
        for device in bank.index.devices():
            if device.certificate:
                words = f"the device {device.aet} may call with its certificate only, and no listener asks for it"
                yield Finding("dimse", True, words, "set dimse_tls, and tls_ca to who has issued the certificate")
    if not settings.trusted_proxies:
        for client in bank.index.people.clients():
            if client.certificate:
                words = f"the system {client.name} has a certificate, and no proxy is believed that it was shown"
                yield Finding("web", True, words, "set trusted_proxies, and see deploy/nginx.conf")


def _of_the_ledger(bank: "Bank") -> Iterator[Finding]:
    from imagebank.actions.ledger import objection

    if words := objection(bank):
        step = "imagebank audit verify; if you have put back a copy of the database, imagebank audit resume"
        yield Finding("ledger", True, f"the ledger is not signed any more: {words}", step)
    now, signed = bank.now(), bank.index.checkpoints()
    since = signed[-1].at if signed else 0
    events = bank.index.events(operator(bank).scope, _LATEST_EVENTS)
    if any(event.at > now + _SKEW for event in events):
        words = "the ledger has events of a time to come: the clock was set back, or another machine's clock is wrong"
        yield Finding("clock", True, words, "set the clocks of all machines of the bank by one time service")
    if any(since < event.at.timestamp() * 1e6 and event.at < now - _UNSIGNED for event in events):
        words = "no checkpoint has been signed for more than an hour: the newest lines of the ledger could be cut off"
        yield Finding("ledger", True, words, "see that `imagebank serve`, or `--role worker`, runs")


def _of_the_rules(bank: "Bank") -> Iterator[Finding]:
    """Whether the file of rules is right, and what is in force."""
    from imagebank.actions import rules, rules_read

    file = rules.file_of(bank)
    if not file.exists():
        return
    if faults := rules.faults_of_file(bank):
        words = f"{file} is wrong, and what was in force before stays: {rules_read.told(faults)}"
        yield Finding("rules", True, words, f"imagebank rules check {file}")
        return
    version = bank.index.rules.version()
    if version is not None and version.digest != rules_read.digest_of(rules_read.read_file(file)):
        words = f"{file} is not what is in force: version {version.number}, by {version.by} by {version.way}"
        yield Finding("rules", False, words, f"imagebank rules apply {file}, or start the server to take in a new file")


def _of_the_mail(bank: "Bank") -> Iterator[Finding]:
    """Mail that was given up, and mail that has waited for long."""
    from imagebank.actions import mail
    from imagebank.model.notice import State

    unsent = mail.unsent(bank)
    aside = [one for one in unsent if one.state is State.ASIDE]
    late = [one for one in unsent if one.state is State.WAITING and one.at < bank.now() - _LATE]
    if aside:
        words = f"{len(aside)} of the notices could not be mailed; the last: {aside[-1].reason}"
        yield Finding("mail", True, words, "imagebank mail list; mend it; imagebank mail again")
    if late:
        words = f"{len(late)} of the notices could not be mailed for more than an hour yet"
        reason = next((f": {one.reason}" for one in reversed(late) if one.reason), "")
        yield Finding("mail", True, words + reason, "imagebank mail list; see that `imagebank serve` runs")


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o077)


def _is_local(listener: str) -> bool:
    """Whether HOST:PORT, or HOST, is of this machine alone."""
    host = listener.partition("/")[0]
    host = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    host = host.strip("[]")
    with suppress(ValueError):
        return ip_address(host).is_loopback
    with suppress(OSError):
        return all(ip_address(entry[4][0]).is_loopback for entry in socket.getaddrinfo(host, None))
    return False


def _tell(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(orjson.dumps([asdict(one) for one in findings], option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    for one in sorted(findings, key=lambda finding: not finding.is_weak):
        out.print(f"{'WEAK' if one.is_weak else 'note'}  {one.check}: {one.words}", markup=False)
        out.print(f"      next: {one.step}", markup=False)
    weak = sum(one.is_weak for one in findings)
    out.print(f"{weak} weak, {len(findings) - weak} to be known" if findings else "nothing to be mended")
