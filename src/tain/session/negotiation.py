"""Which checksum and which compression a session uses (spec: protocol 2.4 and 2.5)."""

from __future__ import annotations

import os
import time

from tain.errors import UnsupportedError
from tain.options import choices
from tain.session import agreement, oldpeer
from tain.session.agreement import Agreed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol

    from tain.options.resolved import ResolvedOptions

    class NegotiationLink(Protocol):
        """The part of `tain._core.Link` that a negotiation uses."""

        def flush(self) -> None: ...
        def read_vstring(self, limit: int) -> bytes: ...
        def write_vstring(self, data: bytes) -> None: ...


#: The names in canonical order. A 3.5.0 server ranks by this order and not by the client's list, so a client must send
#: its names in this order, or one name only (spec: protocol 2.5).
CHECKSUMS = tuple(name for name in choices.CHECKSUMS if name != "none")
COMPRESSIONS = tuple(name for name in choices.COMPRESSIONS if name != "none")

_VSTRING_LIMIT = 255


def _names(text: bytes, known: Sequence[str]) -> list[str]:
    """The known names of a space-separated list, in its order, without duplicates."""
    found: list[str] = []
    for word in text.split():
        name = word.decode("ascii", "replace").lower()
        if name == "xxhash":
            name = "xxh64"
        if name in known and name not in found:
            found.append(name)
    return found


class Offer:
    """One list of names that this side offers (spec: protocol 2.4)."""

    __slots__ = ("canonical", "known", "limited", "names", "what")

    def __init__(self, what: str, environ: Mapping[bytes, bytes], *, server: bool, only: str | None = None) -> None:
        self.what = what
        own = CHECKSUMS if what == "checksum" else COMPRESSIONS
        #: All names that the list may hold; ``none`` is offered by servers, and where a variable asks for it.
        self.known = (*own, "none")
        text = environ.get(b"RSYNC_CHECKSUM_LIST" if what == "checksum" else b"RSYNC_COMPRESS_LIST", b"")
        client, ampersand, at_server = text.partition(b"&")
        part = at_server if server and ampersand else client
        #: A variable restricts the choice; then a forced name must be in the list too.
        self.limited = bool(part.strip()) or only is not None
        if only is not None:
            self.names = [only]
        elif self.limited:
            self.names = _names(part, self.known)
        else:
            self.names = list(self.known if server else own)
        #: The names are in the order by which all servers rank.
        self.canonical = self.names == [name for name in self.known if name in self.names]

    def text(self) -> bytes:
        """The list in the form that is sent; ``INVALID`` for one without a valid name."""
        return " ".join(self.names).encode() or b"INVALID"

    def first_of(self, mine: Sequence[str], theirs: bytes) -> str | None:
        """The first name of *mine* that the peer's list contains; None without one."""
        other = _names(theirs, self.known)
        return next((name for name in mine if name in other), None)


def forced_sums(options: ResolvedOptions) -> tuple[str, str] | None:
    """Transfer and file checksum of ``--checksum-choice``, or None to negotiate. "auto" beside
    a name is not negotiated: it means the checksum that the protocol implies."""
    return None if options.checksum_names == ("auto", "auto") else options.checksum_names


def _default_sum(protocol: int) -> str:
    return "md5" if protocol >= 30 else oldpeer.md4_kind(protocol)


def choose(
    agreed: Agreed, options: ResolvedOptions, xfer: str | None, compress: str | None, *, am_sender: bool = True
) -> None:
    """Set checksums and compression; None for *xfer* or *compress* means that no name was negotiated."""
    forced = forced_sums(options) or ("auto", "auto")
    default = xfer or _default_sum(agreed.protocol)
    agreed.named_sum = forced[0] != "auto" or xfer is not None
    agreed.xfer_sum = default if forced[0] == "auto" else forced[0]
    agreed.file_sum = default if forced[1] == "auto" else forced[1]
    # Only the side that would compute them refuses; the other one sees the end of the connection (observed).
    if agreed.file_sum == "none" and options.checksum and am_sender:
        raise UnsupportedError("Invalid checksum-choice for --checksum: none (0)")
    if options.compress:
        kind = compress or options.compress_choice or "zlib"
        agreed.compress, agreed.level = choices.CODECS[kind].in_force(options.compress_level)


def choose_unnegotiated(agreed: Agreed, options: ResolvedOptions) -> None:
    """Set checksums and compression for a stream without negotiation: a batch that is read."""
    choose(agreed, options, None, None)


def agree_alone(options: ResolvedOptions, environ: Mapping[bytes, bytes]) -> Agreed:
    """The agreement of a local copy, whose ends are one process, with the choices and errors of a link."""
    protocol = agreement.agree_protocol(options.protocol, options.protocol, server=False)
    agreement.check_protocol(options, protocol, local=True)
    agreed = Agreed(protocol)
    xfer = compress = None
    if protocol >= 30:
        agreed.compat = agreement.SYMLINK_TIMES | agreement.SYMLINK_ICONV
        for _, bit in agreement.CAPABILITY_BITS:
            agreed.compat |= bit
        if agreement.inc_recurse_allowed(options, am_receiver=True):
            agreed.compat |= agreement.INC_RECURSE
        if forced_sums(options) is None:
            xfer = _choose_alone("checksum", environ)
        if options.compress and options.compress_choice is None:
            compress = _choose_alone("compress", environ)
    choose(agreed, options, xfer, compress)
    agreed.seed = options.checksum_seed or fresh_seed()
    return agreed


def _choose_alone(what: str, environ: Mapping[bytes, bytes]) -> str:
    client = Offer(what, environ, server=False)
    server = Offer(what, environ, server=True)
    name = client.first_of(client.names, server.text())
    if name is None:
        raise _no_choice(what, server.text(), client.text())
    return name


def _no_choice(what: str, server_list: bytes, client_list: bytes) -> UnsupportedError:
    def show(text: bytes) -> str:
        return text.decode("utf-8", "backslashreplace")

    return UnsupportedError(
        f"Failed to negotiate a {what} choice.\nServer list: {show(server_list)}\nClient list: {show(client_list)}"
    )


def client_negotiate(
    link: NegotiationLink,
    options: ResolvedOptions,
    agreed: Agreed,
    environ: Mapping[bytes, bytes],
    trace: Callable[[str], None] | None,
) -> tuple[str | None, str | None]:
    """Exchange the lists (spec: protocol 2.4) and choose a checksum and a compression (2.5); None without a list."""
    if not agreed.negotiates:
        return None, None
    # A batch is replayed without negotiation, so it must use the names that a reader assumes.
    batch = options.write_batch is not None
    offers: list[Offer] = []
    if forced_sums(options) is None:
        offers.append(Offer("checksum", environ, server=False, only="md5" if batch else None))
    if options.compress and options.compress_choice is None:
        offers.append(Offer("compress", environ, server=False, only="zlib" if batch else None))
    in_order = all(offer.canonical for offer in offers)
    if in_order:
        for offer in offers:
            link.write_vstring(offer.text())
        link.flush()
    # A server writes its lists before it reads ours. A client with another order waits for them and then sends one
    # name, which no server can rank differently.
    lists = [link.read_vstring(_VSTRING_LIMIT) for _ in offers]
    if trace is not None and options.debug.get("NSTR", 0) > 1:
        for side, texts in (("Client", [offer.text() for offer in offers]), ("Server", lists)):
            for offer, text in zip(offers, texts, strict=True):
                trace(f"{side} {offer.what} list (on client): {text.decode('ascii', 'backslashreplace')}")
    chosen = [offer.first_of(offer.names, theirs) for offer, theirs in zip(offers, lists, strict=True)]
    if not in_order:
        for offer, name in zip(offers, chosen, strict=True):
            link.write_vstring(name.encode() if name is not None else offer.text())
        link.flush()
    found: dict[str, str] = {}
    for offer, name, theirs in zip(offers, chosen, lists, strict=True):
        if name is None:
            raise _no_choice(offer.what, theirs, offer.text())
        found[offer.what] = name
    return found.get("checksum"), found.get("compress")


def trace_choices(
    options: ResolvedOptions, agreed: Agreed, trace: Callable[[str], None], negotiated: tuple[bool, bool]
) -> None:
    """Write the lines of ``--debug=NSTR``. *negotiated*: whether the checksum and the compression were negotiated."""
    name = agreed.xfer_sum.partition("-")[0]
    if forced_sums(options) is not None:
        name = os.fsdecode(options.checksum_choice or b"")
    trace(f"Client {'negotiated ' if negotiated[0] else ''}checksum: {name}")
    if options.compress:
        how = "negotiated " if negotiated[1] else ""
        trace(f"Client {how}compress: {agreed.compress} (level {agreed.level})")


def server_negotiate(
    link: NegotiationLink, options: ResolvedOptions, agreed: Agreed, environ: Mapping[bytes, bytes], *, exchange: bool
) -> tuple[str | None, str | None]:
    # The server of a client that writes a batch uses only the names that a batch may have.
    batch = options.write_batch is not None
    sum_name = "md5" if agreed.protocol >= 30 else "md4"
    sums = Offer("checksum", environ, server=True, only=sum_name if batch else None)
    forced = forced_sums(options)
    if forced is not None and sums.limited and any(name not in sums.names for name in forced if name != "auto"):
        choice = (options.checksum_choice or b"").decode("ascii", "replace")
        raise UnsupportedError(f"Your --checksum-choice value ({choice}) was refused by the server.")
    codecs = Offer("compress", environ, server=True, only="zlib" if batch else None)
    named = options.compress_choice if options.compress else None
    if named is not None and codecs.limited and named not in codecs.names:
        raise UnsupportedError(f"Your --compress-choice value ({named}) was refused by the server.")
    if not exchange:
        return None, None
    offers: list[Offer] = []
    if forced is None:
        offers.append(sums)
    if options.compress and named is None:
        offers.append(codecs)
    for offer in offers:
        link.write_vstring(offer.text())
    link.flush()
    lists = [link.read_vstring(_VSTRING_LIMIT) for _ in offers]
    found: dict[str, str] = {}
    for offer, theirs in zip(offers, lists, strict=True):
        # The client chooses the first name of its own list, so that order decides here too.
        name = offer.first_of(_names(theirs, offer.known), offer.text())
        if name is None:
            # The client prints the lists; a second copy on the server's stderr would confuse.
            raise UnsupportedError("")
        found[offer.what] = name
    return found.get("checksum"), found.get("compress")


def fresh_seed() -> int:
    """A seed that a peer cannot choose: a signed 32-bit number other than 0 (spec: protocol 2.2)."""
    seed = (int(time.time()) ^ (os.getpid() << 6)) & 0xFFFFFFFF
    return (seed - (1 << 32) if seed & 0x80000000 else seed) or 1
