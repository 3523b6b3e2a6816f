"""The start of a session, both ends, protocols 20 to 32 (spec: protocol 2; protocol-old 2, 3).

The link is unframed at first. When a handshake returns, multiplexing has started in every direction that uses it, and
the next bytes are the filter list.
"""

from __future__ import annotations

from tain.errors import ProtocolError, SocketError, StreamError, UsageError
from tain.release import OLDEST_PROTOCOL
from tain.session import agreement, negotiation, oldpeer
from tain.session.agreement import PEER_NUMBERS, Agreed, agree_protocol, check_protocol, client_frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    from tain.options.resolved import ResolvedOptions
    from tain.session.negotiation import NegotiationLink

    class HandshakeLink(NegotiationLink, Protocol):
        """The part of `tain._core.Link` that a handshake uses."""

        def read_int(self) -> int: ...
        def read_varint(self) -> int: ...
        def write_byte(self, value: int) -> None: ...
        def write_int(self, value: int) -> None: ...
        def write_varint(self, value: int) -> None: ...
        def start_counting(self) -> None: ...
        def start_mux_in(self) -> None: ...
        def start_mux_out(self) -> None: ...
        def set_protocol(self, protocol: int) -> None: ...


def client_handshake(
    link: HandshakeLink,
    options: ResolvedOptions,
    *,
    am_sender: bool,
    environ: Mapping[bytes, bytes],
    greeted: tuple[int, int] | None = None,
    offered_inc_recurse: bool = True,
    local: bool = False,
    trace: Callable[[str], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> Agreed:
    """Do steps 2 to 7 as the side that started the connection (spec: protocol 2.1).

    *greeted*: the agreed and the announced protocol of a daemon's greeting. *trace* receives the lines of
    ``--debug=PROTO`` and ``--debug=NSTR``, *note* the notice about an old peer. Errors:
    `ProtocolError` for numbers and options that do not fit, `UnsupportedError` where nothing can be negotiated.
    """
    if greeted is None:
        try:
            link.write_int(options.protocol)
            link.flush()
        except SocketError:
            # A peer that no longer reads may have sent a reason; if not, the read reports its end.
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
    # A server answers an old number with the same number, which says nothing about its own age.
    echo = greeted is None and remote == options.protocol and not local
    notice = "" if echo else oldpeer.very_old(remote, server=False)
    if notice and note is not None:
        note(notice)
    check_protocol(options, protocol, local=local)
    frames = oldpeer.frames_from(protocol, daemon=greeted is not None, server_sends=not am_sender)
    if frames == "never" and am_sender and options.remove_source_files and not options.dry_run:
        # Only frames can report which files have arrived.
        raise ProtocolError(f"--remove-source-files requires protocol 23 or higher (negotiated {protocol}).")
    if protocol >= 30:
        agreed.compat = link.read_varint() & 0x7FFFFFFF
        if agreed.inc_recurse and not offered_inc_recurse:
            raise UsageError("Incompatible options specified for inc-recursive connection.")
    if options.crtimes and not agreed.negotiates:
        raise ProtocolError("Both rsync versions must be at least 3.2.0 for --crtimes.")
    xfer, compress = negotiation.client_negotiate(link, options, agreed, environ, trace)
    negotiation.choose(agreed, options, xfer, compress, am_sender=am_sender)
    if trace is not None and options.debug.get("NSTR", 0):
        negotiation.trace_choices(options, agreed, trace, (xfer is not None, compress is not None))
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
        agreement.trace_start(agreed, server=False)
    return agreed


def server_handshake(
    link: HandshakeLink,
    options: ResolvedOptions,
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
    """Do steps 2' to 7 as the side that was started (spec: protocol 2.1).

    *greeted*: the agreed and the announced protocol of a daemon's greeting. *ready* waits a number of seconds for the
    client's number; without it the number is read, without a time limit. *before_seed* is called where frames begin
    before the seed, or do not begin at all. *before_mux* is called when only the start of multiplexing is left (a
    daemon that refuses a files-from run then writes a byte, spec: protocol 10.6). *trace* receives the line of
    ``--debug=PROTO``, *note* the notice about an old peer. Errors: as `client_handshake`.
    """
    capabilities = options.capabilities or b""
    if greeted is None:
        own = agreement.released_limit(capabilities, options.protocol)
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
    notice = oldpeer.very_old(remote, server=True)
    if notice and note is not None:
        note(agreed, notice)
    if frames != "after seed" and before_seed is not None:
        before_seed(agreed)
    check_protocol(options, protocol, local=local)
    obsolete = False
    if protocol >= 30:
        agreed.compat = agreement.server_compat(options, capabilities, am_sender=am_sender)
        letters = capabilities.partition(b".")[2] if b"." in capabilities else capabilities
        obsolete = b"V" in letters and b"v" not in letters
        if obsolete:
            # `V` means: the flags are one raw byte, file-list flags are varints, and no names are exchanged.
            agreed.compat = (agreed.compat | agreement.VARINT_FLIST) & 0xFF
            link.write_byte(agreed.compat)
        else:
            link.write_varint(agreed.compat)
    xfer, compress = negotiation.server_negotiate(
        link, options, agreed, environ, exchange=agreed.negotiates and not obsolete
    )
    negotiation.choose(agreed, options, xfer, compress, am_sender=am_sender)
    agreed.seed = options.checksum_seed or negotiation.fresh_seed()
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
        agreement.trace_start(agreed, server=True)
    return agreed
