"""What is decided differently for a peer of protocols 20 to 26, or one that may be (spec: protocol-old).

The forms on the wire are those of the core; here is who speaks first, with which number, and what is asked for how.
"""

from __future__ import annotations

from tain.release import OLDEST_PROTOCOL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.options.resolved import Options

#: The first protocol that this module is not about.
LEAST_MODERN = 27
#: Programs of that time give up on a peer whose number is higher than this (spec: protocol-old 2.1).
HIGHEST_ACCEPTED = 30
#: A peer whose number is below this is called very old (spec: protocol-old 2.4).
VERY_OLD = 25
#: Seconds that a server over a remote shell waits for the client's number before it tells its own. Every known client
#: writes it at once; what does not is told our maximum.
NUMBER_WAIT = 1.0
#: How a greeting begins. A client that has sent no more than this waits for the daemon's.
LEAD = b"@RSYNCD: "
#: Seconds that a daemon waits for the client's greeting before it sends its own, and a client for a daemon's.
CLIENT_GREETING_WAIT = 0.3
DAEMON_GREETING_WAIT = 2.0
#: What makes a recursive list one of a single directory (spec: protocol-old 1.4).
LISTING_RULE = b"- /*/*"


def is_old(protocol: int) -> bool:
    """Is this one of the protocols that this module is about?"""
    return protocol < LEAST_MODERN


def may_be_old(options: Options) -> bool:
    """Can the peer turn out to be such a program? They accept no higher number than this."""
    return options.protocol <= HIGHEST_ACCEPTED


def answer(own: int, remote: int) -> int:
    """The number with which an end that has heard *remote* answers (spec: protocol-old 2.3). What is agreed on is the
    same as with *own*, but an old program accepts it."""
    return min(own, remote) if OLDEST_PROTOCOL <= remote < LEAST_MODERN else own


def greeting_tail(own: int, remote: int | None, listed: bool, digests: str) -> bytes:
    """What follows `LEAD` in the greeting of an end that speaks up to *own*, to a peer that has greeted with *remote*
    (None: not yet). *listed*: its greeting had a list of digests, so ours must have one (spec: protocol-old 10.1)."""
    number = own if remote is None else answer(own, remote)
    if remote is not None and OLDEST_PROTOCOL <= remote < LEAST_MODERN and not listed:
        return b"%d\n" % number
    return b"%d.0 %s\n" % (number, digests.encode())


def md4_kind(protocol: int) -> str:
    """The unnamed MD4 of a protocol below 30 (spec: protocol-old 8.1)."""
    return "md4-unpadded" if is_old(protocol) else "md4-old"


def frames_from(protocol: int, *, daemon: bool, server_sends: bool) -> str:
    """When frames from the server begin: "never", "before seed" or "after seed" (spec: protocol-old 3)."""
    if protocol >= 23:
        return "after seed"
    if daemon and (server_sends or protocol == 22):
        return "before seed"
    return "never"


def is_very_old(protocol: int) -> bool:
    """Programs that end a list of modules by closing, and that are called very old."""
    return protocol < VERY_OLD


def very_old(remote: int, *, server: bool) -> str:
    """The notice about a peer with this number; empty when none is due."""
    if not is_very_old(remote):
        return ""
    return f"{'Client' if server else 'Server'} is very old version of rsync, upgrade recommended."


def too_old_for(own: int, remote: int) -> str:
    """Why a peer that told *remote* has gone without a word; empty when that is no reason (spec: protocol-old 2.3)."""
    if not is_old(remote) or own <= HIGHEST_ACCEPTED:
        return ""
    return f"rsync: the remote rsync is too old for protocol {own}, which was announced to it: use --protocol={remote}"


def adapt(options: Options, protocol: int, *, server_sends: bool) -> Options:
    """*options* as they are asked for from a server that is known to speak an old *protocol*: a listing without
    recursion is a recursive one that a rule cuts off (spec: protocol-old 1.4)."""
    new = options.copy()
    new.protocol = min(options.protocol, protocol)
    if not server_sends:
        return new
    # A server that sends does nothing else for it, and may not know the word.
    new.list_only = min(new.list_only, 1)
    if new.list_only and not new.recurse and new.files_from is None:
        new.filter_events = [*new.filter_events, ("filter", LISTING_RULE)]
        new.recurse = new.dirs = 1
    return new
