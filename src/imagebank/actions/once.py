"""What a form may do once, however often it is sent."""

import hashlib
from datetime import timedelta
from typing import Final

from imagebank.bank import Bank
from imagebank.model.access import Principal

KEPT: Final = timedelta(days=7)
"""How long a form that was sent is remembered: longer than any session."""


def is_first(bank: Bank, principal: Principal, drawn: str) -> bool:
    """Whether a form of the caller's comes for the first time. `drawn` is what was drawn for it when it was shown.

    Of several that come at once, one is the first.
    """
    name = hashlib.sha256(f"{principal.name}\n{drawn}".encode()).hexdigest()
    now = bank.now()
    with bank.index.begin() as tx:
        return tx.people.count_attempt(f"form {name}", now, now + KEPT, 1) == 1
