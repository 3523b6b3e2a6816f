"""The start of a session, both ends, protocols 20 to 32 (spec: protocol 2; protocol-old 2, 3).

A link that arrives here is unframed. When a handshake returns, multiplexing has started in every direction that has
it, and the next bytes are the filter list.
"""

from __future__ import annotations

import os
import time

from tain.digits import bounded
from tain.errors import MemoryLimitError, ProtocolError, SocketError, StreamError, UnsupportedError, UsageError
from tain.options import choices
from tain.release import OLDEST_PROTOCOL, PROTOCOL
from tain.session import oldpeer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol

    from tain.options.resolved import Options

    class HandshakeLink(Protocol):
        """The part of `tain._core.Link` that a handshake uses."""

        def read(self, n: int) -> bytes: ...
        def write(self, data: bytes) -> None: ...
        def flush(self) -> None: ...
        def read_int(self) -> int: ...
        def read_varint(self) -> int: ...
        def read_vstring(self, limit: int) -> bytes: ...
        def write_byte(self, value: int) -> None: ...
        def write_int(self, value: int) -> None: ...
        def write_varint(self, value: int) -> None: ...
        def write_vstring(self, data: bytes) -> None: ...
        def start_counting(self) -> None: ...
        def start_mux_in(self) -> None: ...
        def start_mux_out(self) -> None: ...
        def set_protocol(self, protocol: int) -> None: ...


#: A peer that announces a number outside of this range is not an rsync: most likely a login script has printed
#: something (spec: protocol 2.1).
PEER_NUMBERS = range(20, 41)

# Compat flags (spec: protocol 2.3).
INC_RECURSE = 0x001
SYMLINK_TIMES = 0x002
SYMLINK_ICONV = 0x004
SAFE_FLIST = 0x008
AVOID_XATTR_OPTIM = 0x010
SEED_FIX = 0x020
INPLACE_PARTIAL = 0x040
VARINT_FLIST = 0x080
ID0_NAMES = 0x100

#: The flags that a plan knows, by their fields there.
COMPAT_FLAGS = {
    "inc_recurse": INC_RECURSE,
    "compat_symlink_times": SYMLINK_TIMES,
    "compat_symlink_iconv": SYMLINK_ICONV,
    "compat_safe_flist": SAFE_FLIST,
    "compat_avoid_xattr_optim": AVOID_XATTR_OPTIM,
    "compat_seed_fix": SEED_FIX,
    "compat_inplace_partial": INPLACE_PARTIAL,
    "compat_varint_flist": VARINT_FLIST,
    "compat_id0_names": ID0_NAMES,
}

#: What each letter of the capability word lets a server switch on.
_CAPABILITY_BITS = (
    (b"f", SAFE_FLIST),
    (b"x", AVOID_XATTR_OPTIM),
    (b"C", SEED_FIX),
    (b"I", INPLACE_PARTIAL),
    (b"v", VARINT_FLIST),
    (b"u", ID0_NAMES),
)

#: Canonical order of negotiation. A 3.5.0 server ranks by this order itself instead of following the client's list,
#: so a client must send these in order, or one name only (spec: protocol 2.5).
CHECKSUMS = tuple(name for name in choices.CHECKSUMS if name != "none")
COMPRESSIONS = tuple(name for name in choices.COMPRESSIONS if name != "none")

_VSTRING_LIMIT = 255
#: spec: protocol 12, filter rule length.
_RULE_LIMIT = 5119


class Agreed:
    """What both ends have settled on."""

    __slots__ = (
        "capabilities", "compat", "compress", "file_sum", "level", "multiplexed_out", "named_sum", "protocol",
        "remote_protocol", "seed", "xfer_sum",
    )  # fmt: skip

    def __init__(self, protocol: int = PROTOCOL) -> None:
        #: The protocol both speak, and what the peer announced.
        self.protocol = protocol
        self.remote_protocol = protocol
        #: Compat flags of this module; zero below protocol 30.
        self.compat = 0
        #: The capability word of the client (servers only).
        self.capabilities = b""
        #: Names as the plan knows them: of block and whole-file sums, and of ``--checksum``.
        self.xfer_sum = "md5"
        self.file_sum = "md5"
        #: The checksum was forced or negotiated by its name, not implied by the protocol.
        self.named_sum = False
        #: ``none`` when nothing is compressed.
        self.compress = "none"
        self.level = 0
        #: Signed 32 bit.
        self.seed = 0
        #: Frames go out (on a client below protocol 30 they mostly do not, on a server below 23 not always).
        self.multiplexed_out = False

    @property
    def inc_recurse(self) -> bool:
        """Incremental recursion is in effect."""
        return bool(self.compat & INC_RECURSE)

    @property
    def negotiates(self) -> bool:
        """Checksum and compression names are exchanged."""
        return bool(self.compat & VARINT_FLIST)


# ---------------------------------------------------------------------------------------------- both ends


def trace_start(agreed: Agreed, *, server: bool) -> None:
    """What a handshake settled, in words on stderr: the trace of ``--debug=IO``, of which the core writes the rest."""
    from sys import stderr

    names = [name.removeprefix("compat_").upper() for name, bit in COMPAT_FLAGS.items() if agreed.compat & bit]
    who, way = ("server", "->") if server else ("client", "<-")
    if stderr is not None:
        stderr.write(
            f"[{who}] {way} PROTOCOL {agreed.protocol} announced={agreed.remote_protocol}\n"
            f"[{who}] {way} COMPAT {'|'.join(names) or '-'}\n"
            f"[{who}] {way} SEED {agreed.seed} sum={agreed.xfer_sum} compress={agreed.compress}\n"
        )
        stderr.flush()


def inc_recurse_allowed(options: Options, *, am_receiver: bool) -> bool:
    """May this side take part in incremental recursion? (spec: protocol 1.9)"""
    if not options.recurse or not options.inc_recurse or options.qsort:
        return False
    if not am_receiver:
        return True
    return options.delete not in ("before", "after") and not options.delay_updates and not options.prune_empty_dirs


def agree_protocol(own: int, remote: int, *, server: bool) -> int:
    """The protocol of a session in which we announced *own* and the peer *remote* (spec: protocol 2.1)."""
    if remote not in PEER_NUMBERS:
        raise ProtocolError(
            "protocol version mismatch -- is your shell clean?\n(see the rsync manpage for an explanation)"
        )
    protocol = min(own, remote)
    side = "Server" if server else "Client"
    if protocol < OLDEST_PROTOCOL:
        raise ProtocolError(f"--protocol must be at least {OLDEST_PROTOCOL} on the {side}.")
    if protocol > PROTOCOL:
        raise ProtocolError(f"--protocol must be no more than {PROTOCOL} on the {side}.")
    return protocol


def check_protocol(options: Options, protocol: int, *, local: bool = False) -> None:
    """Refuse options that the agreed protocol cannot carry (spec: options 3, end)."""

    def require(what: str, least: int) -> None:
        if protocol < least:
            raise ProtocolError(f"{what} requires protocol {least} or higher (negotiated {protocol}).")

    if options.acls and not local:
        require("--acls", 30)
    if options.xattrs and not local:
        require("--xattrs", 30)
    if options.atimes and not local:
        # rsync itself loses its place in the stream there.
        require("--atimes", 28)
    if options.fuzzy:
        require("--fuzzy", 29)
    if options.alt_dest != "none":
        if options.inplace:
            require(f"--{options.alt_dest}-dest with --inplace", 29)
        if len(options.alt_dirs) > 1:
            require(f"Using more than one --{options.alt_dest}-dest option", 29)
    if options.prune_empty_dirs:
        require("--prune-empty-dirs", 29)


def client_frames(protocol: int, options: Options, *, server_sends: bool) -> bool:
    """Is the client's direction multiplexed? (spec: protocol 2.7)"""
    return protocol >= 30 or (server_sends and options.remove_source_files)


def _names(text: bytes, known: Sequence[str]) -> list[str]:
    """The known names of a space-separated list, in its order, once each."""
    found: list[str] = []
    for word in text.split():
        name = word.decode("ascii", "replace").lower()
        if name == "xxhash":
            name = "xxh64"
        if name in known and name not in found:
            found.append(name)
    return found


class _Offer:
    """One negotiated list of ours (spec: protocol 2.4)."""

    __slots__ = ("canonical", "known", "limited", "names", "what")

    def __init__(self, what: str, environ: Mapping[bytes, bytes], *, server: bool, only: str | None = None) -> None:
        self.what = what
        own = CHECKSUMS if what == "checksum" else COMPRESSIONS
        #: Every name that may be spoken; ``none`` is offered by servers and where a variable asks for it.
        self.known = (*own, "none")
        text = environ.get(b"RSYNC_CHECKSUM_LIST" if what == "checksum" else b"RSYNC_COMPRESS_LIST", b"")
        client, ampersand, at_server = text.partition(b"&")
        part = at_server if server and ampersand else client
        #: A variable restricts the choice: a forced name must be in the list too.
        self.limited = bool(part.strip()) or only is not None
        if only is not None:
            self.names = [only]
        elif self.limited:
            self.names = _names(part, self.known)
        else:
            self.names = list(self.known if server else own)
        #: In the order by which every server ranks.
        self.canonical = self.names == [name for name in self.known if name in self.names]

    def text(self) -> bytes:
        """The list as it is sent; a list without a valid name says so."""
        return " ".join(self.names).encode() or b"INVALID"

    def first_of(self, mine: Sequence[str], theirs: bytes) -> str | None:
        """The first name of *mine* that the peer's list has."""
        other = _names(theirs, self.known)
        return next((name for name in mine if name in other), None)


def _forced_sums(options: Options) -> tuple[str, str] | None:
    """Transfer and file checksum of ``--checksum-choice``, or None to negotiate. "auto" beside a name is not
    negotiated: it is what the protocol implies."""
    choice = options.checksum_choice
    if not choice:
        return None
    first, comma, second = choice.decode("ascii", "replace").lower().partition(",")
    pair = [("xxh64" if name == "xxhash" else name) for name in (first, second if comma else first)]
    if pair == ["auto", "auto"]:
        return None
    return pair[0], pair[1]


def _default_sum(protocol: int) -> str:
    return "md5" if protocol >= 30 else oldpeer.md4_kind(protocol)


def compression_level(kind: str, level: int | None) -> tuple[str, int]:
    """Kind and level in force; a level that means *off* gives ``none`` (spec: options 2.5)."""
    if kind in ("zlib", "zlibx"):
        if level == 0:
            return "none", 0
        return kind, 6 if level is None or level == -1 else max(1, min(9, level))
    if kind == "zstd":
        return kind, 3 if not level else max(-131072, min(22, level))
    return kind, 0


def _settle(
    agreed: Agreed, options: Options, xfer: str | None, compress: str | None, *, am_sender: bool = True
) -> None:
    """Fill in the choices; None stands for a name that was neither forced nor negotiated."""
    forced = _forced_sums(options) or ("auto", "auto")
    default = xfer or _default_sum(agreed.protocol)
    agreed.named_sum = forced[0] != "auto" or xfer is not None
    agreed.xfer_sum = default if forced[0] == "auto" else forced[0]
    agreed.file_sum = default if forced[1] == "auto" else forced[1]
    # Only the side that would compute them refuses; the other one sees the connection end (observed).
    if agreed.file_sum == "none" and options.checksum and am_sender:
        raise UnsupportedError("Invalid checksum-choice for --checksum: none (0)")
    if options.compress:
        kind = compress or options.compress_choice or "zlib"
        agreed.compress, agreed.level = compression_level(kind, options.compress_level)


def settle_unnegotiated(agreed: Agreed, options: Options) -> None:
    """Sums and compression of a stream for which nobody could negotiate: a batch that is read."""
    _settle(agreed, options, None, None)


def agree_alone(options: Options, environ: Mapping[bytes, bytes]) -> Agreed:
    """What both ends of a local copy, which are one process, agree on; the same choices and errors as over a link."""
    protocol = agree_protocol(options.protocol, options.protocol, server=False)
    check_protocol(options, protocol, local=True)
    agreed = Agreed(protocol)
    xfer = compress = None
    if protocol >= 30:
        agreed.compat = SYMLINK_TIMES | SYMLINK_ICONV
        for _, bit in _CAPABILITY_BITS:
            agreed.compat |= bit
        if inc_recurse_allowed(options, am_receiver=True):
            agreed.compat |= INC_RECURSE
        if _forced_sums(options) is None:
            xfer = _alone("checksum", environ)
        if options.compress and options.compress_choice is None:
            compress = _alone("compress", environ)
    _settle(agreed, options, xfer, compress)
    agreed.seed = options.checksum_seed or _fresh_seed()
    return agreed


def _alone(what: str, environ: Mapping[bytes, bytes]) -> str:
    client = _Offer(what, environ, server=False)
    server = _Offer(what, environ, server=True)
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


# ---------------------------------------------------------------------------------------------- client


def client_handshake(
    link: HandshakeLink,
    options: Options,
    *,
    am_sender: bool,
    environ: Mapping[bytes, bytes],
    greeted: tuple[int, int] | None = None,
    offered_inc_recurse: bool = True,
    local: bool = False,
    trace: Callable[[str], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> Agreed:
    """Steps 2 to 7 of spec: protocol 2.1, from the side that started the connection.

    *greeted* holds the agreed and the announced protocol when a daemon's greeting has settled them. *trace* gets the
    lines of ``--debug=PROTO`` and ``--debug=NSTR``, *note* what the user is told about an old peer. Errors:
    `ProtocolError` for numbers and options that do not fit, `UnsupportedError` where nothing can be negotiated.
    """
    if greeted is None:
        try:
            link.write_int(options.protocol)
            link.flush()
        except SocketError:
            # A peer that does not listen any more may have said why; if not, its end is the error to tell.
            pass
        remote = link.read_int()
        protocol = agree_protocol(options.protocol, remote, server=False)
    else:
        protocol, remote = greeted
        if remote not in PEER_NUMBERS:
            agree_protocol(options.protocol, remote, server=False)
        elif protocol < OLDEST_PROTOCOL:
            agree_protocol(protocol, remote, server=False)
    link.set_protocol(protocol)
    agreed = Agreed(protocol)
    agreed.remote_protocol = remote
    if trace is not None and options.debug.get("PROTO", 0):
        trace(f"(Client) Protocol versions: remote={remote}, negotiated={protocol}")
    # A server answers an old number with that number, which then says nothing about its age.
    echo = greeted is None and remote == options.protocol and not local
    said = "" if echo else oldpeer.very_old(remote, server=False)
    if said and note is not None:
        note(said)
    check_protocol(options, protocol, local=local)
    frames = oldpeer.frames_from(protocol, daemon=greeted is not None, server_sends=not am_sender)
    if frames == "never" and am_sender and options.remove_source_files and not options.dry_run:
        # What has arrived is told in frames.
        raise ProtocolError(f"--remove-source-files requires protocol 23 or higher (negotiated {protocol}).")
    if protocol >= 30:
        agreed.compat = link.read_varint() & 0x7FFFFFFF
        if agreed.inc_recurse and not offered_inc_recurse:
            raise UsageError("Incompatible options specified for inc-recursive connection.")
    if options.crtimes and not agreed.negotiates:
        raise ProtocolError("Both rsync versions must be at least 3.2.0 for --crtimes.")
    xfer, compress = _client_negotiate(link, options, agreed, environ, trace)
    _settle(agreed, options, xfer, compress, am_sender=am_sender)
    if trace is not None and options.debug.get("NSTR", 0):
        _trace_choices(options, agreed, trace, (xfer is not None, compress is not None))
    if frames == "before seed":
        link.start_mux_in()
    elif frames == "never":
        link.start_counting()
    try:
        agreed.seed = link.read_int()
    except StreamError as error:
        reason = oldpeer.too_old_for(options.protocol, remote) if greeted is None else ""
        if not reason:
            raise
        raise StreamError(reason) from error
    if frames == "after seed":
        link.start_mux_in()
    if client_frames(protocol, options, server_sends=not am_sender):
        link.start_mux_out()
        agreed.multiplexed_out = True
    if options.debug.get("IO", 0):
        trace_start(agreed, server=False)
    return agreed


def _client_negotiate(
    link: HandshakeLink,
    options: Options,
    agreed: Agreed,
    environ: Mapping[bytes, bytes],
    trace: Callable[[str], None] | None,
) -> tuple[str | None, str | None]:
    """Exchange the lists of spec: protocol 2.4 and choose by 2.5. None where nothing was exchanged."""
    if not agreed.negotiates:
        return None, None
    # A batch is replayed without negotiation, so what is written into it must be what a reader assumes.
    batch = options.write_batch is not None
    offers: list[_Offer] = []
    if _forced_sums(options) is None:
        offers.append(_Offer("checksum", environ, server=False, only="md5" if batch else None))
    if options.compress and options.compress_choice is None:
        offers.append(_Offer("compress", environ, server=False, only="zlib" if batch else None))
    in_order = all(offer.canonical for offer in offers)
    if in_order:
        for offer in offers:
            link.write_vstring(offer.text())
        link.flush()
    # A server writes its lists before it reads ours, so a list out of order can wait for them: then one name is
    # sent, and no server can rank it differently.
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


def _trace_choices(
    options: Options, agreed: Agreed, trace: Callable[[str], None], negotiated: tuple[bool, bool]
) -> None:
    """The lines of ``--debug=NSTR``. *negotiated* tells where checksum and compression come from."""
    name = agreed.xfer_sum.partition("-")[0]
    if _forced_sums(options) is not None:
        name = os.fsdecode(options.checksum_choice or b"")
    trace(f"Client {'negotiated ' if negotiated[0] else ''}checksum: {name}")
    if options.compress:
        how = "negotiated " if negotiated[1] else ""
        trace(f"Client {how}compress: {agreed.compress} (level {agreed.level})")


# ---------------------------------------------------------------------------------------------- server


def released_limit(capabilities: bytes, own: int) -> int:
    """Our maximum when the client may run a pre-release protocol (spec: protocol 2.1, sub-protocol rule)."""
    head = capabilities.split(b".", 1)
    if len(head) != 2 or not head[0].isdigit():
        return own
    digits = head[1][: len(head[1]) - len(head[1].lstrip(b"0123456789"))]
    version, sub = bounded(head[0]), bounded(digits)
    if sub == 0 or version > own:
        return own
    return version - 1


def server_compat(options: Options, capabilities: bytes, *, am_sender: bool) -> int:
    """The flags this server answers with (spec: protocol 2.3)."""
    letters = capabilities.partition(b".")[2] if b"." in capabilities else capabilities
    flags = SYMLINK_TIMES | SYMLINK_ICONV
    if b"i" in letters and inc_recurse_allowed(options, am_receiver=not am_sender):
        flags |= INC_RECURSE
    for letter, bit in _CAPABILITY_BITS:
        if letter in letters:
            flags |= bit
    return flags


def server_handshake(
    link: HandshakeLink,
    options: Options,
    *,
    am_sender: bool,
    environ: Mapping[bytes, bytes],
    greeted: tuple[int, int] | None = None,
    ready: Callable[[float], bool] | None = None,
    before_seed: Callable[[Agreed], None] | None = None,
    before_mux: Callable[[Agreed], None] | None = None,
    local: bool = False,
    trace: Callable[[str], None] | None = None,
    note: Callable[[Agreed, str], None] | None = None,
) -> Agreed:
    """Steps 2' to 7 of spec: protocol 2.1, from the side that was started.

    *greeted* holds the agreed and the announced protocol of a daemon's greeting. *ready* waits for the client's number
    so many seconds; without it the number is read, whenever it comes. *before_seed* is called where frames begin in
    front of the seed, or would not begin at all, *before_mux* when everything but the start of multiplexing is done (a
    daemon that refuses a files-from run writes a byte then, spec: protocol 10.6). *trace* gets the line of
    ``--debug=PROTO``, *note* what there is to say about an old peer.
    """
    capabilities = options.capabilities or b""
    if greeted is None:
        own = released_limit(capabilities, options.protocol)
        early = link.read_int() if ready is None or ready(oldpeer.NUMBER_WAIT) else None
        link.write_int(own if early is None else oldpeer.answer(own, early))
        link.flush()
        remote = link.read_int() if early is None else early
        protocol = agree_protocol(own, remote, server=True)
    else:
        protocol, remote = greeted
        agree_protocol(protocol, remote, server=True)
    link.set_protocol(protocol)
    agreed = Agreed(protocol)
    agreed.remote_protocol = remote
    agreed.capabilities = capabilities
    if trace is not None and options.debug.get("PROTO", 0):
        trace(f"(Server) Protocol versions: remote={remote}, negotiated={protocol}")
    frames = oldpeer.frames_from(protocol, daemon=greeted is not None, server_sends=am_sender)
    if frames == "before seed":
        link.start_mux_out()
        agreed.multiplexed_out = True
    said = oldpeer.very_old(remote, server=True)
    if said and note is not None:
        note(agreed, said)
    if frames != "after seed" and before_seed is not None:
        before_seed(agreed)
    check_protocol(options, protocol, local=local)
    obsolete = False
    if protocol >= 30:
        agreed.compat = server_compat(options, capabilities, am_sender=am_sender)
        letters = capabilities.partition(b".")[2] if b"." in capabilities else capabilities
        obsolete = b"V" in letters and b"v" not in letters
        if obsolete:
            # `V`: the flags are one raw byte, file-list flags are varints, and no names are exchanged.
            agreed.compat = (agreed.compat | VARINT_FLIST) & 0xFF
            link.write_byte(agreed.compat)
        else:
            link.write_varint(agreed.compat)
    xfer, compress = _server_negotiate(link, options, agreed, environ, exchange=agreed.negotiates and not obsolete)
    _settle(agreed, options, xfer, compress, am_sender=am_sender)
    agreed.seed = options.checksum_seed or _fresh_seed()
    link.write_int(agreed.seed)
    link.flush()
    if before_mux is not None:
        before_mux(agreed)
    if frames == "after seed":
        link.start_mux_out()
        agreed.multiplexed_out = True
    elif frames == "never":
        link.start_counting()
    if client_frames(protocol, options, server_sends=am_sender):
        link.start_mux_in()
    if options.debug.get("IO", 0):
        trace_start(agreed, server=True)
    return agreed


def _server_negotiate(
    link: HandshakeLink, options: Options, agreed: Agreed, environ: Mapping[bytes, bytes], *, exchange: bool
) -> tuple[str | None, str | None]:
    # A twin, and a server that is told of a batch, hold to what a batch may have.
    batch = options.write_batch is not None
    sum_name = "md5" if agreed.protocol >= 30 else "md4"
    sums = _Offer("checksum", environ, server=True, only=sum_name if batch else None)
    forced = _forced_sums(options)
    if forced is not None and sums.limited and any(name not in sums.names for name in forced if name != "auto"):
        choice = (options.checksum_choice or b"").decode("ascii", "replace")
        raise UnsupportedError(f"Your --checksum-choice value ({choice}) was refused by the server.")
    packers = _Offer("compress", environ, server=True, only="zlib" if batch else None)
    named = options.compress_choice if options.compress else None
    if named is not None and packers.limited and named not in packers.names:
        raise UnsupportedError(f"Your --compress-choice value ({named}) was refused by the server.")
    if not exchange:
        return None, None
    offers: list[_Offer] = []
    if forced is None:
        offers.append(sums)
    if options.compress and named is None:
        offers.append(packers)
    for offer in offers:
        link.write_vstring(offer.text())
    link.flush()
    lists = [link.read_vstring(_VSTRING_LIMIT) for _ in offers]
    found: dict[str, str] = {}
    for offer, theirs in zip(offers, lists, strict=True):
        # The client takes the first name of its own list, so its order decides here too.
        name = offer.first_of(_names(theirs, offer.known), offer.text())
        if name is None:
            # The client prints the lists; a second copy from the server's stderr would only confuse.
            raise UnsupportedError("")
        found[offer.what] = name
    return found.get("checksum"), found.get("compress")


def _fresh_seed() -> int:
    """Something a peer cannot choose, as a signed 32-bit number other than 0 (spec: protocol 2.2)."""
    seed = (int(time.time()) ^ (os.getpid() << 6)) & 0xFFFFFFFF
    return (seed - (1 << 32) if seed & 0x80000000 else seed) or 1


# ---------------------------------------------------------------------------------------------- filter list


def filters_travel(options: Options, protocol: int, *, server_sends: bool) -> bool:
    """Does the client send its filter list (even an empty one)? (spec: protocol 2.8)"""
    if server_sends or options.prune_empty_dirs:
        return True
    return options.delete != "never" and (not options.delete_excluded or protocol >= 29)


def send_filters(link: HandshakeLink, texts: Sequence[bytes]) -> None:
    """Write rule texts, and the zero that ends them (spec: protocol 2.8)."""
    for text in texts:
        link.write_int(len(text))
        link.write(text)
    link.write_int(0)
    link.flush()


def receive_filters(link: HandshakeLink, *, role: str = "sender") -> list[bytes]:
    """Read rule texts up to the zero. Errors: `MemoryLimitError` for a length no rule has."""
    texts: list[bytes] = []
    while True:
        length = link.read_int()
        if length == 0:
            return texts
        if not 0 < length <= _RULE_LIMIT:
            raise MemoryLimitError(f"[{role}] buffer overflow: recv_rules")
        texts.append(link.read(length))
