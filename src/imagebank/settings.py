"""The only reader of environment and TOML."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import msgspec

PREFIX = "IMAGEBANK_"


class SettingsError(Exception):
    """A setting is unknown or has a value of the wrong kind. The message names it."""


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
    root_key_file: Path | None = None
    """File of mode 0600 with the root key; empty for `root.key` in the data folder."""

    organization: str = "local"
    """Assigning authority of patient identifiers that name none, and owner of deposits without another."""
    duplicates: Literal["refuse", "revise"] = "refuse"
    """Other content under a known UID: `refuse` (it goes to quarantine) or `revise` (a new version, by its owner only)."""
    attributes: tuple[str, ...] = ()
    """Further searchable attributes: keywords or tags, with dots into sequences, as `study:`, `series:` or `instance:`."""
    private_sop_classes: bool = True
    """Whether storage SOP classes that the standard does not know are accepted."""

    http: str = "127.0.0.1:8080"
    """Address of the web server."""
    public_url: str = ""
    """How browsers reach the web server from outside, when a proxy stands before it."""
    web_workers: int = 1
    """Processes that answer HTTP."""
    max_instance_bytes: int = 8 << 30
    """Largest object that is accepted, in bytes."""
    session_hours: float = 12
    """How long a sign-in lasts."""

    dimse: str = "127.0.0.1:11112"
    """Address of the DIMSE server."""
    ae_title: str = "IMAGEBANK"
    """Our application entity title."""
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

    decoders: int = 2
    """Sandboxed decoding processes of each web or DIMSE process."""
    decode_memory_bytes: int = 2 << 30
    """Address space of one decoding process, in bytes."""
    decode_timeout_s: float = 30
    """Seconds after which a decoding process is ended."""

    @property
    def is_embedded(self) -> bool:
        return not self.database and not self.objects

    @property
    def accepts_strangers(self) -> bool:
        """Whether a device that nobody registered may call from loopback."""
        return self.is_embedded if self.open_loopback is None else self.open_loopback


def load(file: Path | None = None, environ: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Settings from a TOML file, the environment and the command line, in rising order of precedence.

    Raises SettingsError, naming the setting, for an unknown name or a value of the wrong kind.
    """
    values: dict[str, Any] = {}
    if file is not None:
        values.update(_from_toml(file))
    values.update(_from_environment(os.environ if environ is None else environ))
    values.update({name: value for name, value in given.items() if value is not None})
    names = {f.name for f in fields(Settings)}
    if unknown := sorted(set(values) - names):
        raise SettingsError(f"unknown setting {', '.join(unknown)}; `docs/reference/settings.md` lists them")
    try:
        return msgspec.convert(values, Settings, strict=False, dec_hook=_as_path)
    except msgspec.ValidationError as error:
        raise SettingsError(f"settings: {error}") from None


def _as_path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    raise NotImplementedError(kind)


def _from_toml(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except FileNotFoundError:
        raise SettingsError(f"there is no file {file}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: {error}") from None


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    known = {f.name: f for f in fields(Settings)}
    found: dict[str, Any] = {}
    for name in known:
        text = environ.get(PREFIX + name.upper())
        if text is not None:
            found[name] = [part for part in text.split(",") if part] if name == "attributes" else text
    return found


def environment(settings: Settings) -> dict[str, str]:
    """The settings as a child process reads them from its environment."""
    found = {}
    for f in fields(Settings):
        value = getattr(settings, f.name)
        if value is None:
            continue
        found[PREFIX + f.name.upper()] = ",".join(value) if f.name == "attributes" else str(value)
    return found
