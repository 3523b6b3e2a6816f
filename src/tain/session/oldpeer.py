"""Decisions that differ for a peer of protocols 20 to 26, or for one that may be such a peer (spec: protocol-old).

The core has the forms on the wire. This file decides who speaks first, with which number, and in which words.
"""

from __future__ import annotations

from tain.release import OLDEST_PROTOCOL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.options.resolved import ResolvedOptions

#: The first protocol that needs no special case here.
LEAST_MODERN = 27
#: Programs of that time reject a peer with a number above this one (spec: protocol-old 2.1).
HIGHEST_ACCEPTED = 30
#: A peer whose number is below this is called very old (spec: protocol-old 2.4).
VERY_OLD = 25
#: Seconds that a server over a remote shell waits for the client's number before it sends its own. Every known client
#: writes its number at once; after the wait, our highest number is sent.
NUMBER_WAIT = 1.0
#: The start of a greeting. A client sends only this much before it waits for the daemon's greeting.
LEAD = b"@RSYNCD: "
#: Seconds that a daemon waits for the client's greeting before it sends its own, and a client for a daemon's.
CLIENT_GREETING_WAIT = 0.3
DAEMON_GREETING_WAIT = 2.0
#: The rule that limits a recursive list to one directory (spec: protocol-old 1.4).
LISTING_RULE = b"- /*/*"


def is_old(protocol: int) -> bool:
    """Whether the protocol is one of those that need special cases."""
    return protocol < LEAST_MODERN


def may_be_old(options: ResolvedOptions) -> bool:
    """Whether the peer may be an old program: they accept no higher number than the one that *options* announce."""
    return options.protocol <= HIGHEST_ACCEPTED


def answer(own: int, remote: int) -> int:
    """The number to answer to a peer that announced *remote* (spec: protocol-old 2.3).

    The agreed protocol is the same as with *own*, but an old program accepts this number."""
    return min(own, remote) if OLDEST_PROTOCOL <= remote < LEAST_MODERN else own


def greeting_tail(own: int, remote: int | None, listed: bool, digests: str) -> bytes:
    """The part of a greeting behind `LEAD`, for a peer that greeted with *remote* (None: not yet).

    *own*: the highest protocol of this side. *listed*: the peer's greeting had a list of digests, so ours needs one
    (spec: protocol-old 10.1).
    """
    number = own if remote is None else answer(own, remote)
    if remote is not None and OLDEST_PROTOCOL <= remote < LEAST_MODERN and not listed:
        return b"%d\n" % number
    return b"%d.0 %s\n" % (number, digests.encode())


def md4_kind(protocol: int) -> str:
    """The unnamed MD4 of a protocol below 30 (spec: protocol-old 8.1)."""
    return "md4-unpadded" if is_old(protocol) else "md4-old"


def frames_from(protocol: int, *, daemon: bool, server_sends: bool) -> str:
    """When the server starts to send frames: "never", "before seed" or "after seed" (spec: protocol-old 3)."""
    if protocol >= 23:
        return "after seed"
    if daemon and (server_sends or protocol == 22):
        return "before seed"
    return "never"


def is_very_old(protocol: int) -> bool:
    """Whether the peer closes the connection after a list of modules, and gets the notice of `very_old`."""
    return protocol < VERY_OLD


def very_old(remote: int, *, server: bool) -> str:
    """The notice about a peer with this number; empty for a newer one."""
    if not is_very_old(remote):
        return ""
    return f"{'Client' if server else 'Server'} is very old version of rsync, upgrade recommended."


def too_old_for(own: int, remote: int) -> str:
    """Why a peer that announced *remote* closed the connection; empty if not for its age (spec: protocol-old 2.3)."""
    if not is_old(remote) or own <= HIGHEST_ACCEPTED:
        return ""
    return f"rsync: the remote rsync is too old for protocol {own}, which was announced to it: use --protocol={remote}"


def adapt(options: ResolvedOptions, protocol: int, *, server_sends: bool) -> ResolvedOptions:
    """*options* in the form for a server of an old *protocol*.

    A listing without recursion becomes a recursive one that a rule limits (spec: protocol-old 1.4)."""
    new = options.copy()
    new.protocol = min(options.protocol, protocol)
    if not server_sends:
        return new
    # A server that sends needs no more than that, and may not know the word.
    new.list_only = min(new.list_only, 1)
    if new.list_only and not new.recurse and new.files_from is None:
        new.filter_events = [*new.filter_events, ("filter", LISTING_RULE)]
        new.recurse = new.dirs = 1
    return new
