"""The sending half of C-MOVE: objects to a registered device, over as many associations as its contexts need."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Final, Self

from imagebank.actions import devices, retrieve, search
from imagebank.bank import Bank
from imagebank.dimse import scu, status
from imagebank.dimse.association import Association, Lost, Released, Violation
from imagebank.dimse.command import Command, Kind
from imagebank.dimse.handlers import Answer, Caller, refused
from imagebank.dimse.identifier import Target
from imagebank.dimse.negotiation import MAX_CONTEXTS, Context
from imagebank.dimse.retrieve import Following, IsCancelled, Retrieval, chosen, give, lasting, offers, understood
from imagebank.dimse.scu import Offer
from imagebank.errors import BankError, Unavailable
from imagebank.model.access import Device, Right
from imagebank.model.imaging import Instance
from imagebank.model.query import Condition, OneOf, Query
from imagebank.model.uid import Uid

# A device that drops the association this often in a row will not take the rest either.
_MAX_DROPS: Final = 3


def move(
    bank: Bank, caller: Caller, asked: Retrieval, destination: str, originator: Command, is_cancelled: IsCancelled
) -> Generator[Answer]:
    """Answer a C-MOVE. `originator` has the fields by which the destination knows who asked (PS3.7 9.3.1.1)."""
    try:
        device = devices.destination(bank, destination)
        wanted = understood(caller, asked, Right.MOVE)
        # Whoever asks gets no object, but learns how many there are.
        search.searching(bank, caller.principal, _query(bank, wanted), "C-MOVE", caller.address)
        instances = chosen(bank, caller, wanted)
    except BankError as error:
        yield refused(error, status.RETRIEVE)
        return
    with Delivery(bank, caller, device, instances, originator) as delivery:
        yield from give(delivery.instances, lasting(bank, caller, delivery.send), is_cancelled)


def _query(bank: Bank, wanted: Target) -> Query:
    """What a request points at as a question, for the ledger."""
    keys: dict[str, tuple[str, ...]] = {
        "PatientID": (wanted.patient_id,) if wanted.patient_id else (),
        "IssuerOfPatientID": (wanted.issuer,) if wanted.issuer else (),
        "StudyInstanceUID": wanted.studies,
        "SeriesInstanceUID": wanted.series,
        "SOPInstanceUID": wanted.instances,
    }
    asked = (Condition(bank.catalogue.by_keyword[name], OneOf(values)) for name, values in keys.items() if values)
    return Query(wanted.level, tuple(asked))


def grouped(by_class: Mapping[str, list[tuple[str, ...]]]) -> list[list[Offer]]:
    """Contexts in groups that fit into one association each; a SOP class is never torn apart."""
    groups: list[list[Offer]] = [[]]
    for sop_class, proposals in by_class.items():
        if len(groups[-1]) + len(proposals) > MAX_CONTEXTS:
            groups.append([])
        groups[-1] += [(sop_class, syntaxes) for syntaxes in proposals]
    return groups


class Delivery:
    """Holds the association to the destination, one at a time; opened when it is first needed."""

    def __init__(
        self, bank: Bank, caller: Caller, device: Device, instances: Sequence[Instance], originator: Command
    ) -> None:
        self._bank = bank
        self._caller = caller
        self._device = device
        self._originator = originator
        self._groups = grouped(offers(instances))
        self._group_of = {offer[0]: number for number, group in enumerate(self._groups) for offer in group}
        self._open = ExitStack()
        self._association: Association | None = None
        self._group = -1
        self._drops = 0
        self.instances = sorted(instances, key=lambda instance: self._group_of[instance.sop_class])
        """In the order that needs each association once."""
        self._following = Following(bank, self.instances, self._taken)
        self._untold: dict[Uid, list[Instance]] = {}
        for instance in instances:
            self._untold.setdefault(instance.study, []).append(instance)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def send(self, instance: Instance) -> int:
        """One C-STORE sub-operation: the status that the destination answered. Raises BankError."""
        association = self._for(instance)
        context, data = self._following.take(instance)
        command: Command = {
            "AffectedSOPClassUID": instance.sop_class,
            "AffectedSOPInstanceUID": instance.uid,
            "CommandField": int(Kind.C_STORE),
            **self._originator,
        }
        self._tell(instance.study)
        read_next = partial(self._following.read_after, instance)
        try:
            answer = scu.request(association, context, command, data, read_next)
        except (Lost, Released, Violation, BankError) as exc:
            association.abort()
            self._association = None
            self._following.forget()  # another association has other contexts
            self._drops += 1
            raise Unavailable(f"device {self._device.aet} dropped the association") from exc
        self._drops = 0
        return answer

    def _tell(self, study: Uid) -> None:
        """Have it stand in the ledger that a study goes to the device, before its first object does."""
        if study in self._untold:
            retrieve.sending(
                self._bank, self._caller.principal, self._untold[study], self._device, self._caller.address
            )
            del self._untold[study]

    def _taken(self, instance: Instance) -> list[Context]:
        """The contexts in which the destination takes an object; none while there is no association for it."""
        if self._association is None or self._group_of[instance.sop_class] != self._group:
            return []
        return scu.accepted(self._association, instance.sop_class)

    def _for(self, instance: Instance) -> Association:
        group = self._group_of[instance.sop_class]
        if self._association is None or group != self._group:
            self._open.close()
            self._association = None
            if self._drops >= _MAX_DROPS:
                raise Unavailable(f"device {self._device.aet} does not take what it is sent")
            try:
                opened = scu.associated(self._bank.settings, self._device, self._groups[group])
                self._association = self._open.enter_context(opened)
            except Unavailable:
                self._drops += 1
                raise
            self._group = group
        return self._association
