"""`imagebank hl7`: the systems that may send HL7 messages, and what became of their messages."""

from pathlib import Path

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, NOT_WELL, Common, bank_of, content, operator, say, tell, typed
from imagebank.model.certificate import SHORT
from imagebank.model.message import Fate, Letter, Peer

app = App(
    name="hl7", help="HL7 v2: systems that may send messages (add, systems, remove), and messages (list, show, retry)."
)


@app.command
def add(
    *,
    common: Common = HERE,
    application: str,
    host: str,
    facility: str = "",
    organization: str = "",
    certificate: Path | None = None,
) -> int:
    """Let a system send HL7 messages; in force at its next connection.

    To add one again replaces all that was said of it, the certificate too.

    Example: imagebank hl7 add --data /srv/imagebank --application RIS --facility NORTH --host 10.1.2.4

    Parameters
    ----------
    application
        How it calls itself in MSH-3.
    host
        Its address or name; messages from elsewhere are refused.
    facility
        How it calls its facility in MSH-4; without it, any.
    organization
        Assigning authority of identifiers that name none, and owner of its orders and reports.
    certificate
        A file with its TLS certificate, in PEM, without the private key: it may send with this very one only.
    """
    from imagebank.actions import certificates, letters

    with bank_of(common, may_create=True) as bank, typed():
        wanted = certificates.registered(bank, content(certificate))
        peer = Peer(application, facility, host, organization or bank.settings.organization, wanted)
        outcome = "replaced" if letters.add_peer(bank, peer) else "added"
    tell(common, f"{peer.name} is {outcome}", system=peer.name, outcome=outcome)
    return ALL_WELL


@app.command
def systems(*, common: Common = HERE) -> int:
    """Systems that may send messages; of a certificate, how its SHA-256 begins.

    Example: imagebank hl7 systems --data /srv/imagebank
    """
    with bank_of(common) as bank:
        found = bank.index.orders.peers()
    columns = ("application", "facility", "host", "organization", "certificate")
    rows = [{name: getattr(one, name) for name in columns} | {"certificate": one.certificate[:SHORT]} for one in found]
    say(common, rows, columns)
    return ALL_WELL


@app.command(name="remove")
def take_off(application: str, *, facility: str = "", common: Common = HERE) -> int:
    """Take a system off the register.

    Example: imagebank hl7 remove --data /srv/imagebank RIS --facility NORTH

    Parameters
    ----------
    application
        How it calls itself in MSH-3.
    facility
        How it calls its facility in MSH-4, as it was registered.
    """
    from imagebank.actions import letters

    with bank_of(common) as bank:
        letters.remove_peer(bank, application, facility)
    name = Peer(application, facility, "", "").name
    tell(common, f"{name} is removed", system=name, outcome="removed")
    return ALL_WELL


@app.command(name="list")
def listed(*, common: Common = HERE, every: bool = False, limit: int = 100) -> int:
    """Messages that were not done, newest first, with the reason; it names no patient.

    Example: imagebank hl7 list --data /srv/imagebank

    Parameters
    ----------
    every
        Those that were done, too.
    limit
        How many at most.
    """
    from imagebank.actions import letters

    with bank_of(common) as bank:
        found = letters.listed(bank, failed_only=not every, limit=limit)
    say(common, [_row(one) for one in found], ("number", "received_at", "sender", "control", "kind", "fate", "reason"))
    return ALL_WELL


def _row(letter: Letter) -> dict[str, object]:
    return {
        "number": letter.id,
        "received_at": letter.received_at,
        "sender": letter.sender,
        "control": letter.control,
        "kind": letter.kind,
        "fate": letter.told.fate.value,
        "code": letter.told.code,
        "place": letter.told.place,
        "reason": letter.told.reason,
    }


@app.command
def show(number: int, *, common: Common = HERE) -> int:
    """A message as it came, a segment a line. It names a patient; that it was read stands in the ledger.

    Example: imagebank hl7 show --data /srv/imagebank 12

    Parameters
    ----------
    number
        Its number, as `imagebank hl7 list` gives it.
    """
    from imagebank.actions import letters
    from imagebank.hl7.messages import decoded

    with bank_of(common) as bank:
        letter, raw = letters.shown(bank, number, operator(bank))
    text = decoded(raw).replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    printable = "".join(each if each.isprintable() or each == "\n" else "\ufffd" for each in text)
    tell(common, printable, message=text, **{k: v for k, v in _row(letter).items() if k != "received_at"})
    return ALL_WELL


@app.command
def retry(number: int, *, common: Common = HERE) -> int:
    """Do a message again, such as a report whose order came after it. What is newer than it stays.

    Example: imagebank hl7 retry --data /srv/imagebank 12

    Parameters
    ----------
    number
        Its number, as `imagebank hl7 list` gives it.
    """
    from imagebank.hl7 import service

    with bank_of(common) as bank:
        told = service.again(bank, number)
    words = f"message {number} is {told.fate.value}" + (f": {told.reason}" if told.reason else "")
    tell(common, words, number=number, fate=told.fate.value, reason=told.reason)
    return ALL_WELL if told.fate is Fate.DONE else NOT_WELL
