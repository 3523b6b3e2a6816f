"""The agreement of both ends: protocol, compat flags, checksums, compression (spec: protocol 2; protocol-old 2).

This file has the value and the rules that need no link; `negotiation` chooses names, `handshake` exchanges messages.
"""

from __future__ import annotations

from tain.digits import bounded
from tain.errors import ProtocolError
from tain.release import OLDEST_PROTOCOL, PROTOCOL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.options.resolved import ResolvedOptions

#: A peer that announces a number outside of this range is not an rsync: most likely a login script printed something
#: (spec: protocol 2.1).
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

#: The flags by their fields in the plan.
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

#: The flag that each letter of the capability word allows a server to set.
CAPABILITY_BITS = (
    (b"f", SAFE_FLIST),
    (b"x", AVOID_XATTR_OPTIM),
    (b"C", SEED_FIX),
    (b"I", INPLACE_PARTIAL),
    (b"v", VARINT_FLIST),
    (b"u", ID0_NAMES),
)


class Agreed:
    """The terms of one session."""

    __slots__ = (
        "capabilities", "compat", "compress", "file_sum", "level", "multiplexed_out", "named_sum", "protocol",
        "remote_protocol", "seed", "xfer_sum",
    )  # fmt: skip

    def __init__(self, protocol: int = PROTOCOL) -> None:
        #: The common protocol, and the number that the peer announced.
        self.protocol = protocol
        self.remote_protocol = protocol
        #: The compat flags above; zero below protocol 30.
        self.compat = 0
        #: The capability word of the client (servers only).
        self.capabilities = b""
        #: The checksums, by their names in the plan: for blocks and whole files, and for ``--checksum``.
        self.xfer_sum = "md5"
        self.file_sum = "md5"
        #: The checksum was forced or negotiated by its name, not implied by the protocol.
        self.named_sum = False
        #: ``none`` when nothing is compressed.
        self.compress = "none"
        self.level = 0
        #: Signed 32 bit.
        self.seed = 0
        #: This side sends frames (below protocol 30 a client mostly does not, below 23 not every server does).
        self.multiplexed_out = False

    @property
    def inc_recurse(self) -> bool:
        """Incremental recursion is in effect."""
        return bool(self.compat & INC_RECURSE)

    @property
    def negotiates(self) -> bool:
        """Checksum and compression names are exchanged."""
        return bool(self.compat & VARINT_FLIST)


def inc_recurse_allowed(options: ResolvedOptions, *, am_receiver: bool) -> bool:
    """Whether this side can take part in incremental recursion (spec: protocol 1.9)."""
    if not options.recurse or not options.inc_recurse or options.qsort:
        return False
    if not am_receiver:
        return True
    if options.preflight:
        # All decisions come before the first change, and so does the whole list.
        return False
    return options.delete not in ("before", "after") and not options.delay_updates and not options.prune_empty_dirs


def agree_protocol(own: int, remote: int, *, server: bool) -> int:
    """The protocol of a session with the announced numbers *own* and *remote* (spec: protocol 2.1).

    Errors: `ProtocolError`.
    """
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


def check_protocol(options: ResolvedOptions, protocol: int, *, local: bool = False) -> None:
    """Refuse options that the agreed protocol cannot carry (spec: options 3, end). Errors: `ProtocolError`."""

    def require(what: str, least: int) -> None:
        if protocol < least:
            raise ProtocolError(f"{what} requires protocol {least} or higher (negotiated {protocol}).")

    if options.acls and not local:
        require("--acls", 30)
    if options.xattrs and not local:
        require("--xattrs", 30)
    if options.atimes and not local:
        # rsync itself loses track of the stream there.
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


def client_frames(protocol: int, options: ResolvedOptions, *, server_sends: bool) -> bool:
    """Whether the direction from the client is multiplexed (spec: protocol 2.7)."""
    return protocol >= 30 or (server_sends and options.remove_source_files)


def trace_start(agreed: Agreed, *, server: bool) -> None:
    """Write the result of a handshake to stderr, as a part of ``--debug=IO``; the core writes the other lines."""
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


def released_limit(capabilities: bytes, own: int) -> int:
    """Our highest protocol for a client of a pre-release protocol (spec: protocol 2.1, sub-protocol rule)."""
    head = capabilities.split(b".", 1)
    if len(head) != 2 or not head[0].isdigit():
        return own
    digits = head[1][: len(head[1]) - len(head[1].lstrip(b"0123456789"))]
    version, sub = bounded(head[0]), bounded(digits)
    if sub == 0 or version > own:
        return own
    return version - 1


def server_compat(options: ResolvedOptions, capabilities: bytes, *, am_sender: bool) -> int:
    """The compat flags that this server sends (spec: protocol 2.3)."""
    letters = capabilities.partition(b".")[2] if b"." in capabilities else capabilities
    flags = SYMLINK_TIMES | SYMLINK_ICONV
    if b"i" in letters and inc_recurse_allowed(options, am_receiver=not am_sender):
        flags |= INC_RECURSE
    for letter, bit in CAPABILITY_BITS:
        if letter in letters:
            flags |= bit
    return flags
