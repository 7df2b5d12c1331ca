"""What unit tests share."""

import pytest
from argon2 import PasswordHasher

from imagebank.actions import password


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are kept as ever, by a hash that costs next to nothing."""
    monkeypatch.setattr(password, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
