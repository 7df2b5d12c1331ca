"""Small secrets at rest."""

import pytest

from imagebank.errors import Invalid
from imagebank.storage.sealing import KeySeal

SEAL = KeySeal(bytes(32))


def test_a_sealed_secret_is_read_again_and_is_not_in_what_is_kept() -> None:
    kept = SEAL.seal(b"the secret of an app")

    assert SEAL.unseal(kept) == b"the secret of an app"
    assert b"secret" not in kept
    assert SEAL.seal(b"the secret of an app") != kept


@pytest.mark.parametrize("spoil", [lambda kept: kept[:-1], lambda kept: bytes([kept[0] ^ 1]) + kept[1:], lambda _: b""])
def test_what_was_altered_is_not_read(spoil: object) -> None:
    assert callable(spoil)
    with pytest.raises(Invalid, match="altered"):
        SEAL.unseal(spoil(SEAL.seal(b"secret")))


def test_what_another_bank_sealed_is_not_read() -> None:
    with pytest.raises(Invalid):
        KeySeal(b"1" * 32).unseal(SEAL.seal(b"secret"))
