"""The addresses of our pages, as DESIGN promises them: built here, routed in `web`."""

from __future__ import annotations

from dataclasses import dataclass

from subscribers.tokens import Claim, KeyRing, Purpose, sign


@dataclass(frozen=True)
class Links:
    """Absolute URLs on the public host; `base` is [web] public_url with the path prefix, without a final slash.

    `mailbox` is [mail] unsubscribe_address, "" for none.
    """

    base: str
    keys: KeyRing
    mailbox: str = ""

    def unsubscribe(self, handle: bytes, list_id: str) -> str:
        """Leaves one list: the URI of List-Unsubscribe and of the link in the body (RFC 8058)."""
        return self._signed("unsubscribe", Purpose.UNSUBSCRIBE, handle, list_id)

    def preferences(self, handle: bytes, list_id: str) -> str:
        """What a reader gets of a list, to look at and to change."""
        return self._signed("preferences", Purpose.PREFERENCES, handle, list_id)

    def account(self, handle: bytes, link_id: int) -> str:
        """The same page with all that is kept about the reader, for an hour: to take along, move, erase."""
        return self._signed("preferences", Purpose.ACCOUNT, handle, str(link_id))

    def move(self, handle: bytes, link_id: int) -> str:
        """Confirms that a reader's mail goes to this address from now on."""
        return self._signed("address", Purpose.MOVE, handle, str(link_id))

    def confirm(self, handle: bytes, confirmation_id: int) -> str:
        """Confirms one subscription."""
        return self._signed("confirm", Purpose.CONFIRM, handle, str(confirmation_id))

    def decline(self, handle: bytes, confirmation_id: int) -> str:
        """Answers a confirm mail with "I did not ask"; also the one-click link of that mail (H-13)."""
        return self._signed("unsubscribe", Purpose.DECLINE, handle, str(confirmation_id))

    def by_mail(self, uri: str) -> str:
        """The mailto: that does what the one-click link `uri` does (H-17), "" where no mailbox takes it."""
        return f"mailto:{self.mailbox}?subject=unsubscribe%20{uri.rpartition('/')[2]}" if self.mailbox else ""

    def issue(self, edition_id: str, number: int) -> str:
        """An issue on the web."""
        return f"{self.base}/archive/{edition_id}/{number}"

    def archive(self) -> str:
        """All issues on the web."""
        return f"{self.base}/archive"

    def picture(self, name: str) -> str:
        """A picture that we serve, by its file's name."""
        return f"{self.base}/images/{name}"

    def subscribe(self) -> str:
        """The sign-up page."""
        return f"{self.base}/"

    def _signed(self, page: str, purpose: Purpose, handle: bytes, subject: str) -> str:
        return f"{self.base}/{page}/{sign(self.keys, Claim(purpose, handle, subject))}"
