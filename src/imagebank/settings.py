"""The only reader of environment and TOML."""

import difflib
import json
import os
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, tzinfo
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec

PREFIX = "IMAGEBANK_"


class SettingsError(Exception):
    """A setting is unknown or has a value of the wrong kind. The message names it."""


class ReportDelay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of `report_delays`, as it was written; `model.delay` says what it may be."""

    types: tuple[str, ...] = ()
    hours: float = 0
    reason: str = ""


Language = Literal["ar", "de", "en", "es", "fr", "ja", "zh"]
"""Languages of which there are catalogues (`portal/locale`), and English."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting of a bank. Each may stand in `imagebank.toml` or be given as `IMAGEBANK_NAME`.

    Order of precedence: command line, environment, file, default.
    """

    data: Path = Path("imagebank-data")
    """Folder of everything that an embedded bank holds."""
    database: str = ""
    """`postgresql://…`; empty for SQLite in the data folder."""
    objects: str = ""
    """`s3://bucket/prefix`; empty for a folder in the data folder."""
    s3_endpoint: str = ""
    """Address of an S3-speaking server; empty for AWS."""
    s3_region: str = "us-east-1"
    """Region of the bucket."""
    s3_access_key: str = ""
    """Access key of the bucket."""
    s3_secret_key: str = ""
    """Secret key of the bucket."""
    s3_durability: Literal["object", "journal"] = "object"
    """When a deposit is answered for: `object`, once the bucket has it, or `journal`, once the disk of this node has it, which uploads it soon after (`docs/object-store.md`)."""
    s3_journal_bytes: int = 10 << 30
    """Most bytes that may wait on this node for the bucket with `journal`; beyond, deposits are refused. Copies of what was uploaded take what is left of it."""
    s3_copies_bytes: int = 4 << 30
    """Room for copies of what was put into the bucket or read from it with `object`, sealed in `copies` of the data folder of each node, in bytes; the longest unread go first. 0 to keep none."""
    root_key: str = ""
    """Where root keys come from: empty for the root key file, `env:NAME` for a variable, `kms:NAME` for a service."""
    root_key_file: Path | None = None
    """File of mode 0600 with the root key; empty for `root.key` in the data folder."""

    time_zone: str = "UTC"
    """The site's time zone by its IANA name, such as `Europe/Berlin`: days and times on pages, sheets and statements are its own."""
    organization: str = "local"
    """Assigning authority of patient identifiers that name none, and owner of deposits without another."""
    language: Language = "en"
    """The language in which pages and programs are told something that ask for none of those that are known."""
    rights_file: Path | None = None
    """A TOML file with the site's rules of who may see what; empty for the rules that are built in."""
    rules_file: Path | None = None
    """A TOML file with the site's rules for what arrives; empty for `rules.toml` in the data folder."""
    matching_file: Path | None = None
    """A TOML file with the weights by which patient records are matched; empty for those that are built in."""
    proposals_file: Path | None = None
    """A TOML file by which names and texts of files are read for proposals; empty for the one that is built in."""
    exams_file: Path | None = None
    """A TOML file with a site's own words and codes of exams, beside those that are built in."""
    priors_file: Path | None = None
    """A TOML file by which earlier exams are compared and ranked; empty for the one that is built in."""
    prefetch_file: Path | None = None
    """A TOML file that says which priors are made ready before somebody reads, and which stations they go to; empty for the one that is built in, by which none go anywhere."""
    archives_file: Path | None = None
    """A TOML file with other archives that are asked what they hold of a person, and fetched from; empty for none."""
    repeats_file: Path | None = None
    """A TOML file that says when an exam need not be made again; empty for the one that is built in."""
    overrides_file: Path | None = None
    """A TOML file with the reasons for which an exam is ordered although it was made already; empty for those that are built in."""
    cds_clients_file: Path | None = None
    """A TOML file with the systems whose doctors are warned by CDS Hooks; empty for none but those with a token of the bank."""
    doses_file: Path | None = None
    """A TOML file with effective doses of exams and how they follow from measurements; empty for the one that is built in."""
    costs_file: Path | None = None
    """A TOML file with what exams cost, for the report of what the repeat check brought; empty for none: then no cost is told."""
    duplicates: Literal["refuse", "revise"] = "refuse"
    """Other content under a known UID: `refuse` (it goes to quarantine) or `revise` (a new version, by its owner only)."""
    attributes: tuple[str, ...] = ()
    """Further searchable attributes: keywords or tags, with dots into sequences, as `study:`, `series:` or `instance:`. They are taken over at a start; `imagebank attribute` adds and removes others while the bank runs."""
    compress_after_days: float = 30
    """Days after which native pixels are kept as HTJ2K, from which every byte comes back; 0 for at once, -1 for never."""
    compress_modalities: tuple[str, ...] = ()
    """Modalities whose objects are compressed so, such as CT; empty for all."""
    compress_min_bytes: int = 64 << 10
    """Smallest object that is compressed, in bytes."""
    arrival_quiet_minutes: float = 5
    """Minutes without a new object after which a study counts as arrived, unless its device has said that it has ended."""
    arrival_expected_hours: float = 24
    """Hours after an ordered exam in which its study should have come."""
    private_sop_classes: bool = True
    """Whether storage SOP classes that the standard does not know are accepted."""

    http: str = "127.0.0.1:8080"
    """Address of the web server."""
    public_url: str = ""
    """How browsers reach the web server from outside, when a proxy stands before it."""
    http_tls_cert: Path | None = None
    """Certificate chain of the web server itself, PEM; empty where a proxy before it speaks TLS."""
    http_tls_key: Path | None = None
    """Private key of the web server itself, PEM."""
    cors_origins: tuple[str, ...] = ()
    """Other sites whose pages may speak to DICOMweb and the API, as `https://viewer.example`; empty for none."""
    metrics_token_file: Path | None = None
    """A file with a bearer token of 16 characters or more by which `/metrics` alone is read, as Prometheus does; empty for administrators only."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses of proxies before the web server, believed in `X-Forwarded-For` (the caller) and `Client-Cert` (RFC 9440)."""
    web_workers: int = 1
    """Processes that answer HTTP."""
    warm_start: bool = True
    """Whether they have ready from the start what the first page and the first deposit of each would wait for; each then starts half a second of the CPU later. The process that devices call has its own once it listens."""
    max_instance_bytes: int = 8 << 30
    """Largest object that is accepted, in bytes."""
    max_upload_bytes: int = 64 << 30
    """Largest body of a request that brings objects, in bytes."""
    max_form_bytes: int = 1 << 20
    """Largest body of any other request, in bytes."""
    max_header_bytes: int = 64 << 10
    """Largest address and header fields of a request together, in bytes."""
    max_parts: int = 100_000
    """Most parts or files in one request."""
    upload_idle_s: float = 60
    """Seconds without a byte of a request's body, or with less than 1 KiB/s of an upload, after which it is given up (408)."""
    download_idle_s: float = 60
    """Seconds in which a caller takes half a mebibyte of an answer, or its connection is closed."""
    max_requests_per_address: int = 256
    """Requests of one address in progress at a time, for each web process; more are told to wait (429)."""
    emergency_minutes: float = 60
    """How long a record stays open that somebody opened in an emergency."""
    age_of_majority: int = 18
    """Age in years at which a parent's hold of a child's account ends."""
    retention_years: int = 10
    """For how many years the law has organizations keep images; told to whoever closes an account. 0 where none says so."""
    report_delays: tuple[ReportDelay, ...] = ()
    """Which reports patients read how many hours later than they came, each entry with `types`, `hours` and the `reason` that they are told (`docs/delays.md`); in the environment as JSON. Empty for none: every report at once."""
    patient_files_a_day: int = 5_000
    """Files that an account's owner may add to their images on a day, those of an archive each; 0 for none at all."""
    patient_bytes_a_day: int = 4 << 30
    """Bytes that an account's owner may add on a day."""
    patient_files: int = 50_000
    """Files that an account's owner may have added in all."""
    patient_bytes: int = 20 << 30
    """Bytes that an account's owner may have added in all."""
    session_hours: float = 12
    """How long a sign-in lasts."""
    session_idle_minutes: float = 30
    """After how long without a request a sign-in ends earlier."""

    oidc_issuer: str = ""
    """Address of the OpenID provider at which people may sign in, exactly as it calls itself; empty for none."""
    oidc_hosts: tuple[str, ...] = ()
    """Other hosts at which programs ask that provider, as `HOST` or `HOST:PORT`; `imagebank doctor` names them."""
    oidc_client_id: str = ""
    """The name by which the provider knows this bank."""
    oidc_client_secret: str = ""
    """The secret that goes with it; empty where the provider asks for none."""
    oidc_scope: str = "openid profile"
    """What the provider is asked to tell of people; some tell groups only when `groups` is among it."""
    oidc_name: str = "sub"
    """The claim by which people are called here; never one that they can change themselves."""
    oidc_groups: str = "groups"
    """The claim with a person's groups, in the ID token or from the provider's userinfo."""
    oidc_roles: tuple[str, ...] = ()
    """Which group has which role, as `group=role`; the first that fits decides, and who fits none is not let in."""
    oidc_organization: str = ""
    """Organization of people who sign in there; empty for `organization`."""

    dimse: str = "127.0.0.1:11112"
    """Address of the DIMSE server."""
    ae_title: str = "IMAGEBANK"
    """Our application entity title."""
    priors_ae_title: str = "IMAGEBANK_PRIORS"
    """A second title of ours: who calls us by it and searches for a study is answered with its priors; empty for none."""
    accept_any_called_aet: bool = False
    """Whether associations that call us by another title are accepted."""
    open_loopback: bool | None = None
    """Whether unregistered devices may call from this machine; unset means yes on an embedded bank only."""
    max_associations: int = 50
    """Associations at a time; more are rejected as transient."""
    max_pdu_bytes: int = 131_072
    """Largest PDU that we ask peers to send, in bytes."""
    dimse_timeout_s: float = 60
    """Seconds of silence after which an association is aborted."""
    dimse_tls: str = ""
    """Address of the TLS listener for DIMSE; empty for none."""
    tls_cert: Path | None = None
    """Certificate chain of the TLS listener, PEM."""
    tls_key: Path | None = None
    """Private key of the TLS listener, PEM."""
    tls_ca: Path | None = None
    """Authorities that client certificates must come from; with it a client certificate is required."""

    mllp: str = "127.0.0.1:2575"
    """Address of the listener for HL7 v2 messages by MLLP; empty for none."""
    mllp_tls: str = ""
    """Address of the TLS listener for them, with `tls_cert`, `tls_key` and `tls_ca`; empty for none."""
    mllp_idle_s: float = 3600
    """Seconds of silence between two messages after which a connection is closed."""
    max_mllp_connections: int = 50
    """Connections by MLLP at a time; more are closed at once."""
    max_message_bytes: int = 32 << 20
    """Largest HL7 message that is taken, in bytes."""

    atna_host: str = ""
    """HOST:PORT of the audit record repository that is told every event by syslog (IHE ITI-20); empty for none."""
    atna_transport: Literal["tls", "tcp", "udp"] = "tls"
    """How it is told: `tls` (RFC 5425), or `tcp` and `udp`, which nobody may read along."""
    atna_tls_ca: Path | None = None
    """Authorities that the repository's certificate must come from, PEM; empty for those of the system."""
    atna_tls_cert: Path | None = None
    """Certificate chain that we show to the repository, PEM."""
    atna_tls_key: Path | None = None
    """Its private key, PEM."""
    atna_insecure: bool = False
    """Whether events may leave this machine by `tcp` or `udp`, where others can read and change them."""

    smtp: str = ""
    """HOST:PORT of the mail server by which people are told; empty for no mail."""
    smtp_tls: Literal["starttls", "tls", "none"] = "starttls"
    """How it is spoken to: `starttls` (RFC 3207), `tls` from the first byte (RFC 8314), or `none`, which others can read."""
    smtp_tls_ca: Path | None = None
    """Authorities that the mail server's certificate must come from, PEM; empty for those of the system."""
    smtp_insecure: bool = False
    """Whether mail may leave this machine without TLS."""
    smtp_user: str = ""
    """The name by which the mail server knows this bank; empty where it asks for none."""
    smtp_password: str = ""
    """The password that goes with it."""
    smtp_from: str = ""
    """The address that mail comes from."""
    site_name: str = "Imagebank"
    """What mail calls this bank."""
    forgotten_wait_hours: float = 48
    """Hours after which a mailed link sets a new password for an account that has no app for codes and no passkey."""
    digest_hour: int = 6
    """The hour of the day, in `time_zone`, at which the daily mail goes to those who chose it."""

    decoders: int = 2
    """Sandboxed decoding processes of each web or DIMSE process."""
    decode_memory_bytes: int = 2 << 30
    """Address space of one decoding process, in bytes."""
    decode_timeout_s: float = 30
    """Seconds after which a decoding process is ended."""
    pictures_bytes: int = 1 << 30
    """Room for pictures that were made of images, sealed in `pictures` of the data folder, in bytes; the longest unused go first. 0 to keep none."""

    @property
    def zone(self) -> tzinfo:
        """The site's time zone. Raises SettingsError for one that this machine does not know."""
        try:
            return UTC if self.time_zone == "UTC" else ZoneInfo(self.time_zone)
        except (OSError, ValueError, KeyError):
            raise SettingsError(
                f"no time zone is called {self.time_zone!r} here; the setting time_zone is an IANA name such as "
                "Europe/Berlin, and the system, or the package tzdata, has to know it"
            ) from None

    @property
    def is_embedded(self) -> bool:
        return not self.database and not self.objects

    @property
    def accepts_strangers(self) -> bool:
        """Whether a device that nobody registered may call from loopback."""
        return self.is_embedded if self.open_loopback is None else self.open_loopback


_NAMES: Final = frozenset(f.name for f in fields(Settings))
_SECRET: Final = frozenset({"database", "oidc_client_secret", "s3_access_key", "s3_secret_key", "smtp_password"})
"""Settings whose values are never shown."""
_LISTS: Final = frozenset(
    {"attributes", "compress_modalities", "cors_origins", "oidc_hosts", "oidc_roles", "trusted_proxies"}
)
"""Settings of several values, with commas between them in the environment."""
_TABLES: Final = frozenset({"report_delays"})
"""Settings of several tables, which are JSON in the environment."""


def load(file: Path | None = None, environ: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Settings from a TOML file, the environment and the command line, in rising order of precedence.

    Raises SettingsError, naming the setting, for an unknown name or a value of the wrong kind.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    if file is not None:
        values.update(read_toml(file))
        origins.update(dict.fromkeys(values, f"in {file}"))
    found = _from_environment(os.environ if environ is None else environ)
    values.update(found)
    origins.update({name: f"by the variable {PREFIX}{name.upper()}" for name in found})
    typed = {name: value for name, value in given.items() if value is not None}
    values.update(typed)
    origins.update({name: f"by --{name.replace('_', '-')}" for name in typed})
    if unknown := sorted(set(values) - _NAMES):
        named = "; ".join(name + _nearest(name) for name in unknown)
        raise SettingsError(f"there is no setting {named}; `docs/reference/settings.md` lists them")
    for name, value in values.items():
        _check(name, value, origins[name])
    made = _convert(values)
    _ = made.zone  # said now, and not on the first page
    return made


def variable(name: str) -> str:
    """A secret that a setting names instead of holding it. Raises SettingsError when the variable is not set."""
    try:
        return os.environ[name]
    except KeyError:
        raise SettingsError(f"the variable {name} is not set; a setting names it") from None


def _convert(values: dict[str, Any]) -> Settings:
    return msgspec.convert(values, Settings, strict=False, dec_hook=_as_path)


def _check(name: str, value: object, origin: str) -> None:
    """Raises SettingsError, with the place where the value was given."""
    try:
        _convert({name: value})
    except msgspec.ValidationError as error:
        shown = "set" if name in _SECRET else f"set to {value!r}"
        raise SettingsError(f"the setting {name} is {shown} {origin}: {str(error).partition(' - at ')[0]}") from None


def _nearest(name: str, before: str = "") -> str:
    """A question after the setting that was probably meant; empty when none is like it."""
    near = difflib.get_close_matches(name.lower(), _NAMES, 1)
    return f" (did you mean {before}{near[0].upper() if before else near[0]}?)" if near else ""


def unknown_variables(environ: Mapping[str, str] | None = None) -> list[str]:
    """Environment variables that look like ours and are none, each with what was probably meant; never a value."""
    ours = [name for name in (os.environ if environ is None else environ) if name.startswith(PREFIX)]
    unknown = set(ours) - {PREFIX + name.upper() for name in _NAMES}
    return [name + _nearest(name.removeprefix(PREFIX), PREFIX) for name in sorted(unknown)]


def _as_path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    raise NotImplementedError(kind)


def read_toml(file: Path) -> dict[str, Any]:
    """What a TOML file says. Raises SettingsError, naming the file."""
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        raise SettingsError(f"there is no file {file}") from None
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from None


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in _NAMES:
        text = environ.get(PREFIX + name.upper())
        if text is not None:
            found[name] = _written(name, text)
    return found


def _written(name: str, text: str) -> object:
    """The value of a setting that a variable gives. Raises SettingsError."""
    if name in _TABLES:
        try:
            return json.loads(text or "[]")
        except ValueError:
            raise SettingsError(f"the variable {PREFIX}{name.upper()} is no JSON") from None
    return [part for part in text.split(",") if part] if name in _LISTS else text


def environment(
    settings: Settings, around: Mapping[str, str] | None = None, *, with_unknown: bool = False
) -> dict[str, str]:
    """The environment of a child process: what is `around` us, and these settings in place of all that stand there.

    Variables that look like ours and are none may be left, for the child to warn of.
    """
    given = os.environ if around is None else around
    found = {name: text for name, text in given.items() if with_unknown or not name.startswith(PREFIX)}
    for f in fields(Settings):
        value = getattr(settings, f.name)
        if value is not None:
            found[PREFIX + f.name.upper()] = _told(f.name, value)
    return found


def _told(name: str, value: Any) -> str:
    if name in _TABLES:
        return msgspec.json.encode(value).decode()
    return ",".join(value) if name in _LISTS else str(value)


def take(environ: Mapping[str, str]) -> None:
    """Have this process, and those below it, live in another environment from now on."""
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()


def host_and_port(text: str, where: str, such_as: str) -> tuple[str, int]:
    """Split HOST:PORT; an IPv6 host stands in brackets. Raises SettingsError for anything else, saying `where` it stands."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingsError(f"{where} is HOST:PORT, such as {such_as}, and not {text!r}")
    return host.strip("[]"), int(port)


def is_this_machine(host: str) -> bool:
    """Whether a host is this machine by its name or address alone; no name is looked up."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
