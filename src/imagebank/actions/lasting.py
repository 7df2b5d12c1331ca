"""Whether what a caller might see when a transfer began may be seen still: what was permitted can end meanwhile."""

from datetime import datetime, timedelta
from typing import Final

from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import Principal
from imagebank.model.imaging import Instance, Selection
from imagebank.model.uid import Uid

_EACH: Final = timedelta(seconds=1)
"""How often is asked again for one study, however many objects go out."""


class Lasting:
    """Asks again during one transfer, which has just selected what it gives out."""

    def __init__(self, bank: Bank, principal: Principal) -> None:
        self._bank = bank
        self._principal = principal
        self._began = bank.now()
        self._asked_at: dict[Uid, datetime] = {}

    def require(self, instance: Instance) -> None:
        """To be called before each object. Raises NotFound when the caller sees it no longer, or it is gone."""
        now = self._bank.now()
        if now - self._asked_at.get(instance.study, self._began) < _EACH:
            return
        selection = Selection(instance.study, instance.series, instance.uid)
        if not self._bank.index.instances(selection, self._principal.at(now).scope):
            raise NotFound("what was permitted when this began has ended, or the object was deleted")
        self._asked_at[instance.study] = now
