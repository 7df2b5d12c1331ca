"""Serves the messages of one association: finds the handler of each request and sends its answers."""

import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Final

from imagebank.actions.ahead import Ahead
from imagebank.actions.commitment import commit
from imagebank.actions.ingest import Arrival
from imagebank.bank import Bank
from imagebank.dicom import part10
from imagebank.dicom.successive import Successive
from imagebank.dimse import command as commands
from imagebank.dimse import commitment, contexts, handlers, performed, scu, status, workitems, worklist
from imagebank.dimse.association import Association, Lost, Reason, Released, Violation
from imagebank.dimse.command import Command, Kind
from imagebank.dimse.dataset import Writer, decode, encode, identity
from imagebank.dimse.handlers import Answer, Caller
from imagebank.dimse.message import MAX_MESSAGE_BYTES, Message, Spool
from imagebank.dimse.move import move
from imagebank.dimse.negotiation import Context
from imagebank.dimse.retrieve import Following, IsCancelled, Retrieval, Send, get
from imagebank.errors import BankError, Conflict, Mismatch, Unsupported
from imagebank.model.imaging import Instance
from imagebank.model.uid import Uid

_log = logging.getLogger(__name__)

_PENDING: Final = (status.PENDING, status.PENDING_UNSUPPORTED_KEYS)
# SOP class and instance come after some ten short elements at most.
_IDENTITY_BYTES: Final = 2048


class Service:
    """What one association asks, answered. Holds the association, the bank and the caller."""

    def __init__(self, bank: Bank, caller: Caller, association: Association) -> None:
        self._bank = bank
        self._caller = caller
        self._association = association
        self._is_answered = False
        self._last_reply: tuple[Command, int, Command] = {}, 0, {}
        self._before = Successive()
        association.open_spool = self.open_spool

    def open_spool(self, context: Context, command: Command) -> Spool:
        """Where the data set of a message goes."""
        looks = self._caller.source.authority, self._before
        return object_spool(self._bank, self._caller.aet, context, command, looks)

    def serve(self, message: Message) -> None:
        """Answer one message. Raises Released, Lost and Violation."""
        if message.kind & commands.RESPONSE:
            raise Violation("a response to nothing that we asked", Reason.UNEXPECTED_PARAMETER)
        if message.kind == Kind.C_CANCEL:
            return  # it came after the last answer (PS3.7 9.3.2.3)
        if "MessageID" not in message.command:
            raise Violation("a request without a message ID", Reason.INVALID_PARAMETER)
        self._is_answered = False
        self._caller = self._caller.at(self._bank.now())
        try:
            self._handler(message)(message)
        except (Released, Lost, Violation):
            raise
        except Exception:
            if self._is_answered:
                raise  # there is no second answer; only an abort is left
            _log.exception("a DIMSE request of %s failed by a fault of ours", self._caller.aet)
            self._answer(message, Answer(status.PROCESSING_FAILURE, "a fault of the bank; nothing was acknowledged"))
        finally:
            message.close()
            self._association.forget_cancels()

    def _handler(self, message: Message) -> Callable[[Message], None]:
        """The operations that each kind of context offers."""
        abstract = message.context.abstract_syntax
        if message.kind == Kind.C_STORE:  # by far the most frequent, and so asked for first
            return self._unknown if abstract in contexts.SERVICES else self._store
        offered: dict[int, tuple[Callable[[Message], None], bool]] = {
            Kind.C_ECHO: (self._echo, True),
            Kind.C_FIND: (
                self._listing(abstract),
                abstract in contexts.FIND | contexts.STEPS or abstract == contexts.WORKLIST,
            ),
            Kind.C_MOVE: (self._move, abstract in contexts.MOVE),
            Kind.C_GET: (self._get, abstract in contexts.GET),
            Kind.N_CREATE: (self._perform, abstract == contexts.PERFORMED_STEP),
            Kind.N_SET: (
                self._workitem if abstract == contexts.STEP_PULL else self._perform,
                abstract in (contexts.PERFORMED_STEP, contexts.STEP_PULL),
            ),
            Kind.N_GET: (self._workitem, abstract in (contexts.STEP_PULL, contexts.STEP_WATCH)),
            Kind.N_ACTION: (
                self._workitem if abstract == contexts.STEP_PULL else self._commit,
                abstract in (contexts.STORAGE_COMMITMENT, contexts.STEP_PULL),
            ),
        }
        handler, is_offered = offered.get(message.kind, (self._unknown, True))
        return handler if is_offered else self._unknown

    def _answer(
        self, message: Message, answer: Answer, writer: Writer | None = None, *, is_followed: bool = False
    ) -> bool:
        """Send an answer; whether it is sent now. A pending one that is followed at once may wait for what follows."""
        data = None
        if answer.identifier is not None:
            data = (writer or Writer(message.context.transfer_syntax)).write(answer.identifier)
        self._is_answered = answer.status not in _PENDING
        if answer.status == status.NOT_AUTHORISED:
            who = self._caller.principal
            what = f"{Kind(message.kind).name.replace('_', '-')}: not allowed"
            self._bank.reads.refused(who.name, who.organization, what, self._caller.address)
        is_followed = is_followed and not self._is_answered
        return self._association.send(message.context, self._reply(message, answer), data, is_followed=is_followed)

    def _reply(self, message: Message, answer: Answer) -> Command:
        """The command of an answer: of one after another that say nothing but the same status, the same object."""
        if answer.comment or answer.tally is not None or answer.further:
            return commands.reply(message.command, answer.status, **_further(answer))
        request, code, reply = self._last_reply
        if request is not message.command or code != answer.status:
            reply = commands.reply(message.command, answer.status)
            self._last_reply = message.command, answer.status, reply
        return reply

    def _unknown(self, message: Message) -> None:
        self._answer(message, Answer(status.UNRECOGNISED_OPERATION, "not offered in this presentation context"))

    def _echo(self, message: Message) -> None:
        self._answer(message, handlers.echo())

    def _store(self, message: Message) -> None:
        spool = message.data
        if spool is None:
            self._answer(message, Answer(status.CANNOT_UNDERSTAND, "there is no data set"))
            return
        try:
            if spool.error is not None:
                raise spool.error
            _require_match(message, spool)
        except BankError as error:
            self._answer(message, handlers.refused(error, status.STORE))
            return
        spool.content.seek(0)
        name = commands.text(message.command, "AffectedSOPInstanceUID")
        arrival = Arrival(spool.content, spool.size, name, has_own_header=False, ahead=spool.ahead)
        self._answer(message, handlers.store(self._bank, self._caller, arrival))

    def _find(self, message: Message) -> None:
        asked = self._retrieval(message, status.FIND)
        if asked is not None:
            self._stream(message, handlers.find(self._bank, self._caller, asked.root, asked.identifier, asked.options))

    def _listing(self, abstract: str) -> Callable[[Message], None]:
        if abstract not in contexts.STEPS and abstract != contexts.WORKLIST:
            return self._find
        find = worklist.find if abstract == contexts.WORKLIST else workitems.find

        def answer(message: Message) -> None:
            asked = self._retrieval(message, status.FIND)
            if asked is not None:
                self._stream(message, find(self._bank, self._caller, asked.identifier))

        return answer

    def _stream(self, message: Message, answers: Iterator[Answer]) -> None:
        """Send matches as they come, until the peer cancels."""
        writer = Writer(message.context.transfer_syntax)
        for answer in answers:
            is_sent = self._answer(message, answer, writer, is_followed=True)
            if is_sent and answer.status in _PENDING and self._association.is_cancelled(message.id):
                self._answer(message, handlers.cancelled())
                return

    def _retrieval(self, message: Message, table: Mapping[type[BankError], int]) -> Retrieval | None:
        """The identifier of a request, understood; None when the refusal was sent."""
        root = message.context.abstract_syntax
        try:
            asked = decode(message.read(), message.context.transfer_syntax)
        except BankError as error:
            self._answer(message, handlers.refused(error, table))
            return None
        return Retrieval(root, asked, self._association.agreement.extended.get(root, b""))

    def _move(self, message: Message) -> None:
        asked = self._retrieval(message, status.RETRIEVE)
        if asked is None:
            return
        originator: Command = {
            "Priority": message.command.get("Priority", 0),
            "MoveOriginatorApplicationEntityTitle": self._caller.aet,
            "MoveOriginatorMessageID": message.id,
        }
        destination = commands.text(message.command, "MoveDestination")
        answers = move(self._bank, self._caller, asked, destination, originator, self._cancel_of(message))
        # Closed whatever happens here, so that the association to the destination ends, too.
        with closing(answers):
            for answer in answers:
                self._answer(message, answer)

    def _get(self, message: Message) -> None:
        asked = self._retrieval(message, status.RETRIEVE)
        if asked is None:
            return
        priority = message.command.get("Priority", 0)
        give = functools.partial(self._giving, priority)
        for answer in get(self._bank, self._caller, asked, give, self._cancel_of(message)):
            self._answer(message, answer, is_followed=True)

    def _cancel_of(self, message: Message) -> IsCancelled:
        return lambda: self._association.is_cancelled(message.id)

    def _giving(self, priority: int | str, instances: Sequence[Instance]) -> Send:
        """C-STORE sub-operations of a C-GET, on this association (PS3.4 C.4.3.1.3)."""
        following = Following(self._bank, instances, self._taken)

        def give(instance: Instance) -> int:
            context, data = following.take(instance)
            command: Command = {
                "AffectedSOPClassUID": instance.sop_class,
                "AffectedSOPInstanceUID": instance.uid,
                "CommandField": int(Kind.C_STORE),
                "Priority": priority,
            }
            read_next = functools.partial(following.read_after, instance)
            try:
                return scu.request(self._association, context, command, data, read_next)
            except BankError as exc:
                # Half an object is on the wire: there is no way back into step.
                raise Lost("an object could not be read to its end") from exc

        return give

    def _taken(self, instance: Instance) -> list[Context]:
        """The contexts in which the peer takes an object."""
        return [
            context
            for context in self._association.agreement.contexts.values()
            if context.abstract_syntax == instance.sop_class and context.requestor_is_scp
        ]

    def _perform(self, message: Message) -> None:
        """A modality begins an exam, or says how it goes on."""
        further: dict[str, int | str] = {}
        try:
            attributes = decode(message.read(), message.context.transfer_syntax)
            if message.kind == Kind.N_CREATE:
                further["AffectedSOPInstanceUID"] = performed.create(
                    self._bank, self._caller, message.command, attributes
                )
            else:
                performed.change(self._bank, self._caller, message.command, attributes)
        except BankError as error:
            is_known = message.kind == Kind.N_CREATE and isinstance(error, Conflict)
            table = {**status.STEP, Conflict: status.DUPLICATE_INSTANCE} if is_known else status.STEP
            self._answer(message, handlers.refused(error, table))
            return
        self._answer(message, Answer(status.SUCCESS, further=further))

    def _workitem(self, message: Message) -> None:
        """Another system looks at a task of the queue, says how far it is, or takes it or gives it up."""
        told = None
        try:
            if message.kind == Kind.N_GET:
                told = workitems.get(self._bank, self._caller, message.command)
            else:
                do = workitems.change if message.kind == Kind.N_SET else workitems.act
                do(self._bank, self._caller, message.command, decode(message.read(), message.context.transfer_syntax))
        except BankError as error:
            self._answer(message, handlers.refused(error, status.WORKITEM))
            return
        self._answer(message, Answer(status.SUCCESS, identifier=told))

    def _commit(self, message: Message) -> None:
        try:
            information = decode(message.read(), message.context.transfer_syntax)
            asked = commitment.request(self._caller, message.command, information)
            commitment.undertake(self._bank, self._caller, asked)
        except BankError as error:
            self._answer(message, handlers.refused(error, status.ACTION))
            return
        is_told = False
        try:
            self._answer(message, Answer(status.SUCCESS))
            is_told = self._report(message.context, asked)
        except BankError as error:
            _log.warning("a commitment result of %s is put off: %s", self._caller.aet, error)
        finally:
            commitment.settle(self._bank, self._caller, asked, is_told=is_told)

    def _report(self, context: Context, asked: commitment.Request) -> bool:
        """Look at the bytes of every reference, and say on this association what is held (PS3.4 J.3.3)."""
        result = commit(self._bank, asked.references, self._caller.principal.scope)
        command, event = commitment.report(self._bank.settings.ae_title, asked.transaction, result)
        answer = scu.request(self._association, context, command, iter((encode(event, context.transfer_syntax),)))
        if answer != status.SUCCESS:
            _log.warning("%s refused a commitment result with status %#06x", self._caller.aet, answer)
        return answer == status.SUCCESS


def _further(answer: Answer) -> dict[str, int | str]:
    """What the command of an answer says besides its status."""
    further: dict[str, int | str] = dict(answer.further)
    if answer.comment:
        further["ErrorComment"] = answer.comment
    if answer.tally is not None:
        further |= {
            "NumberOfCompletedSuboperations": answer.tally.completed,
            "NumberOfFailedSuboperations": answer.tally.failed,
            "NumberOfWarningSuboperations": answer.tally.warning,
        }
        if answer.status in (status.PENDING, status.CANCELLED):
            # PS3.4 C.4.2.1.6: how many are left is said only while some may be.
            further["NumberOfRemainingSuboperations"] = answer.tally.remaining
    return further


def object_spool(
    bank: Bank, peer: str, context: Context, command: Command, looks: tuple[str, Successive] | None = None
) -> Spool:
    """Where the data set of a message goes: an object of a peer's straight behind the file header that it is kept with.

    Where an authority of patient identifiers and what is known of the object before are told, the object is looked at
    while it comes.
    """
    if command.get("CommandField") != Kind.C_STORE:
        return Spool(MAX_MESSAGE_BYTES)
    sop_class = commands.text(command, "AffectedSOPClassUID")
    uid = commands.text(command, "AffectedSOPInstanceUID")
    try:
        head = part10.wrap(
            b"",
            sop_class=Uid.parse(sop_class),
            sop_uid=Uid.parse(uid),
            transfer_syntax=context.transfer_syntax,
            calling_aet=peer,
        )
    except BankError as error:
        # The data set still has to be taken off the wire before it can be refused.
        spool = Spool(MAX_MESSAGE_BYTES)
        spool.error = error
        return spool
    folder = bank.settings.data
    ahead = None if looks is None else Ahead(bank, looks[0], len(head), looks[1])
    return Spool(bank.settings.max_instance_bytes, head, folder if folder.is_dir() else None, ahead)


def _require_match(message: Message, spool: Spool) -> None:
    """Raises Mismatch for an object that is not what the command says: the sender would take one for the other.

    Raises Unsupported for a SOP class other than that of the context, which was not negotiated (PS3.7 9.1.1.1).
    """
    told = tuple(commands.text(message.command, f"AffectedSOP{what}UID") for what in ("Class", "Instance"))
    if told[0] != message.context.abstract_syntax:
        raise Unsupported("the SOP class is not that of the context")
    found = identity(spool.start(_IDENTITY_BYTES), message.context.transfer_syntax)
    if len(found) == 2 and tuple(found.values()) != told:
        raise Mismatch("SOP class or instance differs between command and data set")
