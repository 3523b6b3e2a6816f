"""One connection, from its first byte until the client is admitted to a module (spec: daemon 4)."""

from __future__ import annotations

import os

from tain.daemon import access, auth, greeting, proxyheader, slots
from tain.daemon.admitted import Admitted
from tain.daemon.charsets import is_charset
from tain.daemon.conversation import ClosedError
from tain.daemon.names import UNDETERMINED, Resolver
from tain.daemon.refusal import RefusalError, or_refuse
from tain.daemon.text import blanks, has_wildcard
from tain.options.choices import DIGESTS
from tain.release import OLDEST_PROTOCOL
from tain.session import accounts, agreement, digests, oldpeer, operator_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from tain.daemon.conversation import Conversation
    from tain.daemon.log import Log
    from tain.daemon.names import Helper, Threads
    from tain.daemon.process import Process
    from tain.daemon.sections import Config, Section
    from tain.daemon.settings import Settings

#: Seconds from the first byte to the end of the handshake, and again for the arguments.
HANDSHAKE_LIMIT = 60
#: Most bytes of the message of the day in a strict configuration.
_MOTD_LIMIT = 64 << 10
_EARLY_LIMIT = 5120


def handshake_limit(section: Section) -> float:
    """Seconds for the handshake: the module's timeout if it is shorter."""
    timeout = section.number("timeout")
    return timeout if 0 < timeout < HANDSHAKE_LIMIT else HANDSHAKE_LIMIT


class Connection:
    """One connection until the client is admitted to a module (spec: daemon 4, steps 1 to 12)."""

    def __init__(
        self,
        settings: Settings,
        talk: Conversation,
        log: Log,
        address: str,
        *,
        over_shell: bool,
        process: Process,
        helper: Helper | Threads | None = None,
        config: Config | None = None,
    ) -> None:
        """*config*: the configuration, if it has been read for this connection."""
        self.settings = settings
        self.talk = talk
        self.log = log
        self.peer = access.Peer(address, UNDETERMINED)
        self.over_shell = over_shell
        self.process = process
        self.protocol = settings.protocol
        #: The number in the client's own greeting.
        self.announced = settings.protocol
        self.digests: list[str] | None = None
        #: What the client sent for ``early exec``.
        self.early_input = b""
        self.looked_up = False
        #: Holds the place of ``max connections``.
        self.slot = -1
        self._given = config
        self.config: Config
        #: The name that logged in; empty without ``auth users``.
        self.user = b""
        #: ``ro`` or ``rw`` when the user's rule says so.
        self.access = ""
        #: Stands for the connection in the log.
        self.number = log.number or os.getpid()
        self.resolver = Resolver(helper=helper)

    def publish(self, name: bytes, value: bytes) -> None:
        """Set a variable for the configuration and the hooks of this connection."""
        self.config.variables.connection[name] = value

    def admit(self) -> Admitted | None:
        """Greet the client and check that it may use the module it names. None if it only asked for the list.

        Errors: `RefusalError`, and those of the conversation.
        """
        self._configure()
        self.talk.arm(handshake_limit(self.config.globals))
        self._read_proxy_header()
        if self.config.globals.flag("reverse lookup"):
            self._look_up()
        self._confine()
        self.log.write(f"connect from {self.peer.shown}")
        self._greet()
        section = self._read_request()
        if section is None:
            return None
        self._check_protocol()
        self._check_access(section)
        self._take_slot(section)
        self.talk.arm(handshake_limit(section))
        self._log_in(section)
        self.resolver.close()
        return Admitted(
            section,
            self.peer,
            protocol=self.protocol,
            announced=self.announced,
            number=self.number,
            user=self.user,
            access=self.access,
            early_input=self.early_input,
        )

    # ---- before the first byte of the client

    def _configure(self) -> None:
        self.config = self.settings.load() if self._given is None else self._given
        # The log file stays that of the listener's start, even if the configuration has changed.
        self.log.diagnostics(self.config)
        if self.config.failed:
            raise RefusalError("", "", 1)
        self.resolver.limit = float(self.config.globals.number("tain name lookup timeout") or 5)

    def _read_proxy_header(self) -> None:
        if self.over_shell or not self.config.globals.flag("proxy protocol"):
            return
        trusted = blanks(self.config.globals.text("proxy protocol hosts").lower())
        if self.config.strict:
            # A pattern matches a name that the peer controls, and any peer before names are looked up.
            trusted = [word for word in trusted if not has_wildcard(word) and not word.startswith(b"@")]
        if not access.allowed(self.peer, b" ".join(trusted) or b"!", b"", resolver=None, warn=self.log.error):
            raise RefusalError("", f"proxy protocol rejected from untrusted peer {self.peer.shown}")
        try:
            address = proxyheader.read(self.talk)
        except proxyheader.BadHeaderError:
            raise RefusalError from None
        if address is not None:
            self.peer = access.Peer(address, UNDETERMINED)

    def _look_up(self) -> None:
        self.looked_up = True
        self.peer.name, problem = self.resolver.reverse(self.peer.address)
        if problem:
            self.log.error(problem)

    def _confine(self) -> None:
        """Apply ``daemon chroot``, ``daemon gid`` and ``daemon uid`` to the whole process before it sends anything."""
        root = self.config.globals.text("daemon chroot")
        gid_text, uid_text = self.config.globals.text("daemon gid"), self.config.globals.text("daemon uid")
        if root and not self.looked_up and any(section.flag("reverse lookup") for section in self.config.modules):
            self._look_up()
        # An empty name is not looked up: that would load every source of names.
        gid = accounts.group_number(gid_text) if gid_text else None
        uid = accounts.user_number(uid_text) if uid_text else None
        if gid_text and gid is None:
            raise RefusalError("", f"Invalid daemon gid: {os.fsdecode(gid_text)}")
        if uid_text and uid is None:
            raise RefusalError("", f"Invalid daemon uid: {os.fsdecode(uid_text)}")
        self.process.confine(root, gid, uid)

    # ---- greeting and request (spec: daemon 4.3, 4.4)

    def _greet(self) -> None:
        # An old client accepts no number above 30, but speaks first (spec: protocol-old 2.3).
        early = self.talk.early_line(greeting.LINE_SIZE, oldpeer.LEAD, oldpeer.CLIENT_GREETING_WAIT)
        self.talk.write(greeting.own(self.settings.protocol, early) + self._motd())
        hello = greeting.parse(self.talk.read_line(greeting.LINE_SIZE) if early is None else early)
        self.protocol = hello.agreed(self.settings.protocol)
        self.announced = hello.protocol
        self.digests = hello.digests
        least = self.config.globals.number("tain oldest protocol")
        if OLDEST_PROTOCOL <= self.protocol < least:
            self._refuse(f"your client is too old: protocol {self.protocol}, where {least} is the oldest one accepted")

    def _check_protocol(self) -> None:
        """Refuse a protocol that cannot transfer (spec: protocol-old 12). Any client may have the list of modules."""
        if self.announced not in agreement.PEER_NUMBERS or self.protocol < OLDEST_PROTOCOL:
            self._refuse(f"protocol {self.announced} is not spoken here")

    def _refuse(self, text: str) -> NoReturn:
        raise RefusalError(f"@ERROR: {text}", f"refused {self.peer.shown}: {text}", 2)

    def _motd(self) -> bytes:
        path = self.config.globals.text("motd file")
        if not path:
            return b""
        try:
            text = operator_file.read_walk(path)
        except OSError as error:
            if isinstance(error, operator_file.UntrustedLink):
                self.log.error(operator_file.UNTRUSTED_LINK)
            return b"\n"
        return (text[:_MOTD_LIMIT] if self.config.strict else text) + b"\n"

    def _read_request(self) -> Section | None:
        line = self.talk.read_line(greeting.LINE_SIZE)
        if line.startswith(b"#early_input="):
            text = line[13:]
            length = int(text) if text.isdigit() and len(text) < 6 else 0
            if not 0 < length <= _EARLY_LIMIT:
                raise RefusalError("@ERROR: invalid early_input length")
            self.early_input = self.talk.read_exact(length)
            line = self.talk.read_line(greeting.LINE_SIZE)
        if line in (b"", b"#list"):
            self.log.write(f"module-list request from {self.peer.shown}")
            self._list()
            return None
        if line.startswith(b"#"):
            raise RefusalError(b"@ERROR: Unknown command '" + line + b"'")
        section = self.config.module(line)
        if section is None:
            raise RefusalError(
                b"@ERROR: Unknown module '" + line + b"'",
                f"unknown module '{os.fsdecode(line)}' tried from {self.peer.shown}",
            )
        return section

    def _list(self) -> None:
        out = bytearray()
        for section in self.config.modules:
            if not section.flag("list"):
                continue
            if section.flag("tain list reachable only") and not self._host_allowed(section):
                continue
            out += b"%-15s\t%s\n" % (section.name, section.text("comment"))
        if self.protocol >= 25:
            out += b"@RSYNCD: EXIT\n"
        self.talk.write(bytes(out))
        self.talk.drain()

    # ---- admission (steps 9 to 12)

    def _host_allowed(self, section: Section) -> bool:
        return access.allowed(
            self.peer,
            section.text("hosts allow"),
            section.text("hosts deny"),
            resolver=self.resolver if section.flag("forward lookup") else None,
            warn=self.log.error,
            strict=self.config.strict,
        )

    def _check_access(self, section: Section) -> None:
        charset = section.text("charset")
        if charset and not is_charset(charset):
            raise RefusalError("", f'iconv_open("UTF-8", "{os.fsdecode(charset)}") failed', 4)
        name = os.fsdecode(section.name)
        if not self.looked_up and section.flag("reverse lookup"):
            self._look_up()
        self.publish(b"RSYNC_MODULE_NAME", section.name)
        self.publish(b"RSYNC_HOST_ADDR", self.peer.address.encode())
        self.publish(b"RSYNC_HOST_NAME", self.peer.name)
        if not self._host_allowed(section):
            client = f"@ERROR: access denied to {name} from {self.peer.shown}"
            if not section.flag("list"):
                client = f"@ERROR: Unknown module '{name}'"
            raise RefusalError(client, f"rsync denied on module {name} from {self.peer.shown}")
        if not self.over_shell:
            self.log.write(f"rsync allowed access on module {name} from {self.peer.shown}")
        fault = self.config.refusal(section)
        if fault is not None:
            raise RefusalError(
                "@ERROR: daemon security issue -- contact admin", f"refusing to serve module {name}: {fault}", 4
            )

    def _take_slot(self, section: Section) -> None:
        limit = section.number("max connections")
        if not limit:
            return
        if limit > 0:
            path = section.text("lock file")
            with or_refuse(f"failed to open lock file {os.fsdecode(path)}", "@ERROR: failed to open lock file"):
                slot = slots.claim(path, limit, shared=not self.process.own)
            if slot is not None:
                self.slot = slot
                return
        raise RefusalError(
            f"@ERROR: max connections ({limit}) reached -- try again later", f"max connections ({limit}) reached"
        )

    def _log_in(self, section: Section) -> None:
        users = section.text("auth users")
        self.publish(b"RSYNC_USER_NAME", b"")
        if not users:
            return
        name = os.fsdecode(section.name)
        failed = f"auth failed on module {name} from {self.peer.shown}"
        refused = f"@ERROR: auth failed on module {name}"
        try:
            rules = auth.rules(users, strict=self.config.strict)
        except auth.RuleError as error:
            raise RefusalError(refused, f"{failed}: {error}") from None
        digest = digests.choose(self.digests, self.protocol, self.announced)
        if digest is None:
            text = f"@ERROR: your client does not support one of our daemon-auth checksums: {' '.join(DIGESTS)}"
            raise RefusalError(text, "", 4)
        floor = os.fsdecode(section.text("auth digest")) or ("sha256" if self.config.strict else "")
        weak = auth.too_weak(digest, floor) if floor else ""
        if weak:
            raise RefusalError(refused, f"{failed}: {weak}")
        text_sent = auth.challenge(digest, self.peer.address)
        self.talk.line(b"@RSYNCD: AUTHREQD " + text_sent)
        try:
            answer = self.talk.read_line(greeting.ANSWER_SIZE)
        except ClosedError:
            raise RefusalError(refused, f"{failed}: invalid challenge response") from None
        outcome, lines = auth.check(
            answer,
            digest=digest,
            text=text_sent,
            users=rules,
            secrets_file=section.text("secrets file"),
            strict_modes=section.flag("strict modes"),
            strict=self.config.strict,
        )
        for line in lines:
            self.log.error(line)
        if outcome.reason:
            whose = "" if outcome.reason == "invalid challenge response" else f" for {os.fsdecode(outcome.user)}"
            raise RefusalError(refused, f"{failed}{whose}: {outcome.reason}")
        self.user, self.access = outcome.user, outcome.access
        self.publish(b"RSYNC_USER_NAME", outcome.user)
