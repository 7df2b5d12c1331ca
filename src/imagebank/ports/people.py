"""What the bank needs to keep of people who sign in."""

from datetime import datetime
from typing import Protocol

from imagebank.model.access import Session
from imagebank.model.account import Account, Invitation, Passkey
from imagebank.model.client import Client


class Seal(Protocol):
    """Hides small secrets at rest, under a key of the bank's own."""

    def digest(self, use: str, secret: bytes) -> bytes:
        """A keyed hash of 32 bytes, by which a secret is known again; each use has a key of its own."""
        ...

    def seal(self, secret: bytes) -> bytes: ...

    def unseal(self, sealed: bytes) -> bytes:
        """The secret again. Raises Invalid when it was altered, or sealed by another bank."""
        ...


class PeopleReader(Protocol):
    """Reads about people."""

    def account(self, name: str) -> Account | None:
        """By the folded name."""
        ...

    def account_of(self, identifier: str) -> Account | None: ...

    def accounts(self) -> list[Account]:
        """Everybody, by name."""
        ...

    def client(self, name: str) -> Client | None: ...

    def clients(self) -> list[Client]:
        """Every system that may ask for tokens, by name."""
        ...

    def passkey(self, identifier: bytes) -> Passkey | None: ...

    def passkeys(self, account: str) -> list[Passkey]:
        """An account's, oldest first."""
        ...

    def invitation(self, digest: bytes, now: datetime) -> Invitation | None:
        """What a link allows; looking spends nothing."""
        ...

    def sessions(self, account: str, now: datetime, seen_after: datetime) -> list[Session]:
        """An account's open sessions, newest first."""
        ...


class PeopleWriter(Protocol):
    """Changes about people, within one transaction."""

    def put_account(self, account: Account) -> bool:
        """Add somebody; False when the name is taken."""
        ...

    def change_account(
        self,
        identifier: str,
        *,
        password: str | None = None,
        totp: bytes | None = None,
        totp_waiting: bytes | None = None,
        is_locked: bool | None = None,
    ) -> None:
        """Change what is given, and nothing else.

        With another password or app, links by which a forgotten password is replaced open nothing any more.
        """
        ...

    def spend_step(self, identifier: str, step: int) -> bool:
        """Take no code of this step or before again; False when one was taken already."""
        ...

    def put_passkey(self, passkey: Passkey) -> bool:
        """Add a passkey; False when it is there already."""
        ...

    def remove_passkey(self, account: str, identifier: bytes) -> bool: ...

    def remove_passkeys(self, account: str) -> None: ...

    def count_passkey(self, identifier: bytes, before: int, count: int) -> bool:
        """Note the count that a passkey showed; False when it is not there or was used meanwhile."""
        ...

    def put_invitation(self, digest: bytes, invitation: Invitation) -> None:
        """A new link; earlier ones for the same account, or for the first one, end."""
        ...

    def use_invitation(self, digest: bytes, now: datetime) -> Invitation | None:
        """Spend a link: one conditional statement, so that a second use finds nothing."""
        ...

    def put_client(self, client: Client) -> bool:
        """Add a system; False when the name is taken."""
        ...

    def remove_client(self, name: str) -> bool: ...

    def put_challenge(self, digest: bytes, account: str, expires_at: datetime) -> None:
        """A WebAuthn challenge that was given out, by its digest; for one account, or for whoever signs in."""
        ...

    def use_challenge(self, digest: bytes, account: str, now: datetime) -> bool:
        """Spend a challenge; False when it was not given out, not for this account, used or late."""
        ...

    def count_attempt(self, key: str, now: datetime, until: datetime, limit: int) -> int:
        """Count a try under a key; its number, or 0 when the limit has been reached.

        The first try opens a window that ends at `until`. It is one conditional statement: of tries at once no more
        than `limit` get a number.
        """
        ...

    def give_back_attempt(self, key: str) -> None:
        """One of the counted tries was none."""
        ...

    def forget_attempts(self, key: str) -> None: ...

    def see_session(self, digest: bytes, at: datetime) -> None:
        """A session was used."""
        ...

    def prove_session(self, digest: bytes, at: datetime) -> None:
        """Whoever uses a session has proven again who they are."""
        ...

    def end_sessions(self, account: str, digest: bytes | None = None, *, but: bytes = b"") -> int:
        """End an account's sessions, or one of them, or all but one; how many ended."""
        ...

    def sweep(self, now: datetime) -> None:
        """Forget links, challenges and windows of tries that have ended."""
        ...
