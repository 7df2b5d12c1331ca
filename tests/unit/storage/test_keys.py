"""The root key file."""

import inspect
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

import pytest

from bank import keep, open_test_bank
from imagebank.actions import scrub
from imagebank.errors import Invalid, Unavailable
from imagebank.settings import SettingsError
from imagebank.storage.keys import FileKeys
from make import a_file


def test_the_first_use_makes_a_key_that_only_the_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "data" / "root.key"
    data_key = secrets.token_bytes(32)
    wrapped = FileKeys(path).wrap(data_key)

    assert path.stat().st_mode & 0o777 == 0o600
    assert FileKeys(path).unwrap(wrapped) == data_key
    assert os.listdir(path.parent) == ["root.key"]  # noqa: PTH208 - names are what is asked


def test_a_wrapped_key_has_56_bytes_and_names_its_key(tmp_path: Path) -> None:
    first, second = FileKeys(tmp_path / "1"), FileKeys(tmp_path / "2")
    data_key = secrets.token_bytes(32)

    assert len(first.wrap(data_key)) == 56
    assert first.wrap(data_key)[:16] == first.wrap(secrets.token_bytes(32))[:16] != second.wrap(data_key)[:16]
    assert data_key not in first.wrap(data_key)


def test_all_who_start_at_once_get_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    with ThreadPoolExecutor(16) as pool:
        names = {keys.wrap(bytes(32)) for keys in pool.map(lambda _: FileKeys(path), range(64))}

    assert len(names) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["root.key"]


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o660, 0o700, 0o666])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "root.key"
    FileKeys(path)
    path.chmod(mode)

    with pytest.raises(Unavailable, match="0600"):
        FileKeys(path)


def test_after_a_change_the_new_key_wraps_and_the_old_one_unwraps(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    data_key = secrets.token_bytes(32)
    old = FileKeys(path).wrap(data_key)
    with path.open("a") as file:
        file.write(f"# changed in spring\n\n{secrets.token_hex(32)}\n")
    keys = FileKeys(path)

    assert keys.unwrap(old) == data_key
    assert keys.unwrap(keys.wrap(data_key)) == data_key
    assert keys.wrap(data_key)[:16] != old[:16]


def test_a_key_that_is_not_in_the_file_is_named(tmp_path: Path) -> None:
    wrapped = FileKeys(tmp_path / "1").wrap(bytes(32))

    with pytest.raises(Unavailable, match=wrapped[:16].hex()):
        FileKeys(tmp_path / "2").unwrap(wrapped)


def test_a_damaged_wrapped_key_is_refused(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path / "root.key")
    wrapped = bytearray(keys.wrap(bytes(32)))
    wrapped[40] ^= 1

    with pytest.raises(Invalid):
        keys.unwrap(bytes(wrapped))


@pytest.mark.parametrize("text", ["", "# nothing\n", "not a key\n", "ab\n", "é" * 64])
def test_a_file_without_a_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "root.key"
    path.touch(0o600)
    path.write_text(text)

    with pytest.raises(Unavailable, match="key"):
        FileKeys(path)


def test_a_file_that_must_be_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        FileKeys(tmp_path / "root.key", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_key_file(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        FileKeys(tmp_path)


def test_a_key_that_is_added_while_a_process_runs_is_found_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    running = FileKeys(path)
    old = running.wrap(bytes(32))
    path.write_text(path.read_text() + "11" * 32 + "\n")
    new = FileKeys(path).wrap(b"n" * 32)

    assert running.unwrap(new) == b"n" * 32
    assert running.wrap(bytes(32))[:16] == new[:16] != old[:16]
    assert running.unwrap(old) == bytes(32)


class Vault:
    """A key management service that holds one mask. What it wraps is longer than a key, as everywhere."""

    def wrap(self, key: bytes) -> bytes:
        return b"vault:" + bytes(byte ^ 0x3C for byte in key)

    def unwrap(self, sealed: bytes) -> bytes:
        return bytes(byte ^ 0x3C for byte in sealed.removeprefix(b"vault:"))


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package is installed that offers the service."""
    package = tmp_path / "site"
    (package / "vault-1.dist-info").mkdir(parents=True)
    (package / "vault-1.dist-info" / "METADATA").write_text("Name: vault\nVersion: 1\n")
    (package / "vault-1.dist-info" / "entry_points.txt").write_text("[imagebank.keys]\nvault = vault_service:Vault\n")
    (package / "vault_service.py").write_text(dedent(inspect.getsource(Vault)))
    monkeypatch.syspath_prepend(package)


@pytest.mark.usefixtures("vault")
def test_a_key_service_opens_what_the_file_holds(tmp_path: Path) -> None:
    with open_test_bank(tmp_path, root_key="kms:vault") as bank:
        (receipt,) = keep(bank, a_file())
    (line,) = (tmp_path / "bank" / "root.key").read_text().split()
    with pytest.raises(Unavailable, match="64 hex digits"), open_test_bank(tmp_path):
        pass

    assert bytes.fromhex(line).startswith(b"vault:")
    with open_test_bank(tmp_path, root_key="kms:vault") as bank:
        assert receipt.is_kept
        assert scrub.verify(bank).is_clean


def test_a_key_service_that_nobody_offers_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="'cloud'"), open_test_bank(tmp_path, root_key="kms:cloud"):
        pass


def test_root_keys_may_stand_in_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_KEYS", "11" * 32)
    with open_test_bank(tmp_path, root_key="env:SITE_KEYS") as bank:
        keep(bank, a_file(PatientID="A"))
    monkeypatch.setenv("SITE_KEYS", f"{'11' * 32} {'22' * 32}")
    with open_test_bank(tmp_path, root_key="env:SITE_KEYS") as bank:
        keep(bank, a_file(PatientID="B"))

        assert scrub.verify(bank).is_clean
    assert not (tmp_path / "bank" / "root.key").exists()


@pytest.mark.parametrize("given", ["env:", "", " ", "not a key"])
def test_a_variable_without_a_key_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.delenv("SITE_KEYS", raising=False)
    if given != "env:":
        monkeypatch.setenv("SITE_KEYS", given)

    with (
        pytest.raises((Unavailable, SettingsError), match="SITE_KEYS"),
        open_test_bank(tmp_path, root_key="env:SITE_KEYS"),
    ):
        pass


def test_another_source_of_root_keys_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="root_key"), open_test_bank(tmp_path, root_key="file"):
        pass
