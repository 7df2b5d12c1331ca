"""Other archives that are asked what they hold of a person: listed in a file of the site's, each with how it is reached."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from imagebank.actions.arrival import Arrival
from imagebank.actions.other_bank import Named
from imagebank.actions.outbound import check_address
from imagebank.bank import Bank
from imagebank.errors import BankError, Invalid
from imagebank.model.imaging import DataSet
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.settings import SettingsError, read_toml

MOST_STUDIES: Final = 500
"""Studies of one person that an archive may name; who names more is not believed."""

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Archive(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Another archive: whose it is, whose patient identifiers it understands, and how it is reached.

    `organization` owns what it holds, by which is judged who may know of it; `issuer` gives the identifiers that it is
    asked by, as the bank calls it, and `issuer_there` as the archive does where that is another name. It is reached at
    `url`, the root of its DICOMweb, with the bearer token or the `name:password` of a file; or as a registered
    `device`, from which studies come by C-GET or C-MOVE. After `fresh_minutes` it is asked again.
    """

    name: _Text
    organization: _Text
    issuer: _Text
    issuer_there: str = ""
    url: str = ""
    token_file: str = ""
    password_file: str = ""
    device: Annotated[str, msgspec.Meta(max_length=16)] = ""
    retrieve: Literal["get", "move"] = "get"
    timeout_s: Annotated[float, msgspec.Meta(ge=0.1, le=60)] = 5.0
    fresh_minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)] = 60

    @property
    def way(self) -> str:
        return "url" if self.url else "device"

    def is_issuer(self, text: str) -> bool:
        """Whether an answer that names this issuer, or none, is about identifiers of ours."""
        return text in ("", self.issuer, self.issuer_there)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    archive: tuple[Archive, ...]


@dataclass(frozen=True, slots=True)
class Way:
    """How archives of one kind are spoken to.

    `studies` are what one says it holds of a patient, at most `MOST_STUDIES`; `named` the objects of a study; `bring`
    gives those of them that are not `here`, each as it is whole; whoever takes one closes it. An archive that sends
    them by itself gives none. `batch` is how many are taken in at once. All raise Unavailable where it does not answer,
    or not as an archive does, and NotFound where it has the study no more.
    """

    studies: Callable[[Bank, Archive, PatientId], list[DataSet]]
    named: Callable[[Bank, Archive, Uid], Named]
    bring: Callable[[Bank, Archive, Uid, Named, set[str]], Iterator[Arrival]]
    batch: int


Ways = Mapping[str, Way]
"""By `Archive.way`."""


def listed(bank: Bank) -> Mapping[str, Archive]:
    """The archives of the site by name, in their order; none without a file."""
    return archives_of(bank.settings.archives_file)


@lru_cache(maxsize=4)
def archives_of(file: Path | None) -> Mapping[str, Archive]:
    """The archives of a file. Raises Invalid, naming the archive, and SettingsError."""
    if file is None:
        return {}
    try:
        found = msgspec.convert(read_toml(file), _File).archive
    except msgspec.ValidationError as error:
        raise Invalid("{file}: {reason}", file=str(file), reason=str(error)) from None
    for one in found:
        try:
            _check(one, file.parent)
        except BankError as error:
            raise Invalid("{file}: the archive {name}: {reason}", file=str(file), name=one.name, reason=error) from None
    by_name = {one.name: _beside(one, file.parent) for one in found}
    if len(by_name) != len(found):
        raise Invalid("{file}: two archives have one name", file=str(file))
    return by_name


def _check(one: Archive, folder: Path) -> None:
    if bool(one.url) is bool(one.device):
        raise Invalid("it has url or device, and one of both")
    if not one.name.isprintable() or "/" in one.name:
        raise Invalid("its name is one line without a slash")
    secrets = [file for file in (one.token_file, one.password_file) if file]
    if one.retrieve == "move" and (not one.device or one.organization != one.issuer):
        raise Invalid("by C-MOVE a device sends its own organization's objects: its organization is its issuer")
    if one.device and secrets:
        raise Invalid("a device takes no token and no password")
    if len(secrets) > 1:
        raise Invalid("it has token_file or password_file, and not both")
    if one.url:
        check_address(one.url, "https://archive.example/dicom-web")
    for file in secrets:
        secret_of(str(folder / file))


def _beside(one: Archive, folder: Path) -> Archive:
    """With its files as paths from here: those that are not absolute lie beside the list."""
    paths = {name: getattr(one, name) for name in ("token_file", "password_file")}
    found = {name: str(folder / path) for name, path in paths.items() if path}
    return msgspec.structs.replace(one, url=one.url.rstrip("/"), **found)


def secret_of(file: str) -> str:
    """What a file hides. Raises SettingsError for one that cannot be read, or has nothing in it."""
    try:
        secret = Path(file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read") from error
    if not secret or not secret.isprintable():
        raise SettingsError(f"{file} has no secret of one line in it")
    return secret
