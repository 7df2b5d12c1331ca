"""What the bank needs to keep of notices, the mail that carries them, and the addresses that it goes to."""

from datetime import datetime
from typing import Protocol

from imagebank.model.notice import Kind, Mailbox, Notice, SentCode, State, Way
from imagebank.model.person import PatientId


class NoticesReader(Protocol):
    """Reads of one account, which its owner is shown, and of mail that has not gone, which names nobody."""

    def of_account(self, account: str, limit: int, before: datetime | None = None) -> list[Notice]:
        """An account's notices, the newest first; older ones than `before` where that is given."""
        ...

    def unseen(self, account: str) -> int:
        """How many of an account's notices its owner has not looked at."""
        ...

    def notice(self, identifier: str) -> Notice | None: ...

    def of_mail(self, mail: str) -> list[Notice]:
        """The notices that go with a mail, oldest first."""
        ...

    def unsent(self, limit: int) -> list[Notice]:
        """Notices whose mail waits or was laid aside, oldest first."""
        ...

    def mailbox(self, account: str) -> Mailbox | None: ...

    def accounts_at(self, address: str) -> list[str]:
        """The accounts here, by identifier, that have shown to read a mail address; it is folded as they were."""
        ...

    def ways(self, account: str) -> dict[Kind, Way]:
        """What an account has chosen; nothing of kinds that it has not chosen for."""
        ...

    def code(self, key: str) -> SentCode | None:
        """The code that was mailed for something, a late one too."""
        ...


class NoticesWriter(Protocol):
    """Changes within one transaction, and what has to be known for them."""

    def put(self, notice: Notice) -> None: ...

    def holders(self, patient: PatientId, now: datetime) -> list[str]:
        """The accounts that hold a patient's records, or records that are linked to them; by their identifiers.

        Who signs in at a provider has no account here, and is told by name.
        """
        ...

    def again(self, account: str, kind: Kind, link: str, since: datetime) -> bool:
        """Count it with a notice of the same kind and link since then that nobody has seen; False when there is none."""
        ...

    def gather(self, account: str, mail: str) -> int:
        """Let an account's held notices go with a mail; how many there are."""
        ...

    def settle(self, mail: str, state: State, reason: str = "") -> None:
        """Note what became of the notices of a mail that wait."""
        ...

    def send_again(self) -> list[str]:
        """Let mails that were laid aside wait again; which they are."""
        ...

    def see(self, account: str, at: datetime, identifier: str = "") -> int:
        """Note that an account's owner has looked at a notice, or at all; how many had not been seen."""
        ...

    def mailbox(self, account: str) -> Mailbox | None: ...

    def ways(self, account: str) -> dict[Kind, Way]: ...

    def put_mailbox(self, mailbox: Mailbox) -> None: ...

    def remove_mailbox(self, account: str) -> bool: ...

    def choose(self, account: str, kind: Kind, way: Way) -> None: ...

    def put_leave(self, mail: str, digest: bytes) -> None:
        """Note by the digest of which secret mails like this one can be ended."""
        ...

    def use_leave(self, digest: bytes) -> list[Notice]:
        """Spend such a secret; the notices of its mail, none for a secret that is unknown or spent."""
        ...

    def put_code(self, key: str, code: SentCode) -> None:
        """Note a code for something, in the place of an earlier one."""
        ...

    def try_code(self, key: str, now: datetime, limit: int) -> SentCode | None:
        """Count a try before it is compared: one conditional statement. None when there is no good code, or no try left."""
        ...

    def spend_code(self, key: str, kept: bytes) -> bool:
        """Forget a code that was typed right; False when somebody was quicker."""
        ...

    def note_place(self, account: str, place: str, at: datetime) -> bool:
        """Note from where an account was signed in to; whether it had been before, and never from there."""
        ...

    def forget(self, account: str) -> None:
        """Forget everything of an account."""
        ...

    def sweep(self, before: datetime, now: datetime) -> None:
        """Forget notices and places from before, and codes that have ended."""
        ...
