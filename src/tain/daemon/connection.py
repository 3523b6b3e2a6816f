"""One connection, step by step, in a process of its own (spec: daemon 4)."""

from __future__ import annotations

import errno
import os
import stat

from tain.daemon import access, arguments, auth, filters, greeting, hooks, module, preload, proxyheader, slots
from tain.daemon.charsets import is_charset
from tain.daemon.conversation import ClosedError, DeadlineError, TooManyError
from tain.daemon.facts import ModuleFacts
from tain.daemon.names import UNDETERMINED, Resolver
from tain.daemon.refusal import RefusalError, with_refusal
from tain.daemon.sections import ExpansionOverflowError, UnsafeExpansionError
from tain.daemon.text import blanks
from tain.errors import TainError
from tain.release import OLDEST_PROTOCOL
from tain.session import agreement, oldpeer, operator_file
from tain.session.wildcards import has_wildcard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from tain.daemon.conversation import Conversation
    from tain.daemon.log import Log
    from tain.daemon.names import Helper
    from tain.daemon.sections import Config, Section
    from tain.daemon.settings import Settings

#: Seconds from the first byte to the end of the handshake, and again for the arguments.
HANDSHAKE_LIMIT = 60
#: What a strict configuration sends to everybody who connects.
_MOTD_LIMIT = 64 << 10
_EARLY_LIMIT = 5120
_WHERE = "connection.py(0)"


class Connection:
    """State that the steps share. ``run`` gives the exit code of the process."""

    def __init__(
        self,
        settings: Settings,
        talk: Conversation,
        log: Log,
        address: str,
        *,
        over_shell: bool,
        helper: Helper | None = None,
    ) -> None:
        self.settings = settings
        self.talk = talk
        self.log = log
        self.peer = access.Peer(address, UNDETERMINED)
        self.over_shell = over_shell
        self.pid = os.getpid()
        self.protocol = settings.protocol
        #: The number in the client's own greeting.
        self.announced = settings.protocol
        self.digests: list[bytes] | None = None
        self.early_input = b""
        self.user = b""
        self.access = ""
        self.resolved = False
        self.slot = -1
        self.pre: hooks.Hook | None = None
        self.converter: hooks.Converter | None = None
        self.config: Config
        self.resolver = Resolver(helper=helper)

    # ---- the frame

    def run(self) -> int:
        try:
            return self._steps()
        except RefusalError as refusal:
            if refusal.log:
                for line in (refusal.log if isinstance(refusal.log, str) else os.fsdecode(refusal.log)).split("\n"):
                    self.log.error(line)
            if refusal.client:
                self._last_line(refusal.client)
            if refusal.code > 0:
                self.log.closing(refusal.code, _WHERE)
            return refusal.code
        except DeadlineError:
            self.log.error("[Receiver] daemon handshake timeout -- exiting")
            self.log.closing(30, _WHERE)
            return 30
        except ClosedError:
            return -1
        except TooManyError:
            self.log.error("too many daemon arguments")
            self.log.closing(2, _WHERE)
            return 2
        except UnsafeExpansionError as error:
            self.log.error(f"refusing the connection: {error}")
            self._last_line("@ERROR: daemon security issue -- contact admin")
            return 4
        except ExpansionOverflowError as error:
            self.log.error(str(error))
            self.log.closing(22, _WHERE)
            return 22
        except TainError as error:
            if str(error):
                self.log.error(str(error))
            self.log.closing(error.code, _WHERE)
            return error.code
        finally:
            # The last one first: it holds the pipes of those that were started before it.
            for hook in (self.converter, self.pre):
                if hook is not None:
                    hook.abandon()

    def _last_line(self, text: str | bytes) -> None:
        """Say why, and let the client read it before the connection goes."""
        try:
            self.talk.arm(5)
            self.talk.line(text)
            self.talk.drain()
        except (ClosedError, DeadlineError):
            pass

    @property
    def who(self) -> str:
        return f"{os.fsdecode(self.peer.name)} ({self.peer.address})"

    def _steps(self) -> int:
        self._configure()
        self.talk.arm(self._limit(self.config.globals))
        self._proxy()
        if self.config.globals.flag("reverse lookup"):
            self._look_up()
        self._confine()
        self.log.write(f"connect from {self.who}")
        self._greet()
        section = self._request()
        if section is None:
            return -1
        self._check_protocol()
        self._admit(section)
        return self._open(section)

    # ---- before the client is heard

    def _configure(self) -> None:
        self.config = self.settings.load()
        # A listener's log stays where it was when it started, whatever the file says now.
        for diagnostic in self.config.diagnostics:
            if diagnostic.level != "note":
                self.log.error(str(diagnostic))
        if self.config.failed:
            raise RefusalError("", "", 1)
        self.resolver.limit = float(self.config.globals.number("tain name lookup timeout") or 5)

    def _publish(self, name: bytes, value: bytes) -> None:
        self.config.variables.connection[name] = value

    @staticmethod
    def _limit(section: Section) -> float:
        timeout = section.number("timeout")
        return timeout if 0 < timeout < HANDSHAKE_LIMIT else HANDSHAKE_LIMIT

    def _proxy(self) -> None:
        if self.over_shell or not self.config.globals.flag("proxy protocol"):
            return
        trusted = blanks(self.config.globals.text("proxy protocol hosts").lower())
        if self.config.strict:
            # A pattern trusts whoever has such a name, and everybody before names are looked up.
            trusted = [word for word in trusted if not has_wildcard(word) and not word.startswith(b"@")]
        if not access.allowed(self.peer, b" ".join(trusted) or b"!", b"", resolver=None, say=self.log.error):
            raise RefusalError("", f"proxy protocol rejected from untrusted peer {self.who}")
        try:
            address = proxyheader.read(self.talk)
        except proxyheader.BadHeaderError:
            raise RefusalError from None
        if address is not None:
            self.peer = access.Peer(address, UNDETERMINED)

    def _look_up(self) -> None:
        self.resolved = True
        self.peer.name, problem = self.resolver.reverse(self.peer.address)
        if problem:
            self.log.error(problem)

    def _confine(self) -> None:
        """``daemon chroot``, ``daemon gid``, ``daemon uid``: the whole process goes in before it talks."""
        root = self.config.globals.text("daemon chroot")
        gid_text, uid_text = self.config.globals.text("daemon gid"), self.config.globals.text("daemon uid")
        if root and not self.resolved and any(section.flag("reverse lookup") for section in self.config.modules):
            self._look_up()
        # No look-up of an empty name: it would load every source of names that there is.
        gid = module.group_number(gid_text) if gid_text else None
        uid = module.user_number(uid_text) if uid_text else None
        if gid_text and gid is None:
            raise RefusalError("", f"Invalid daemon gid: {os.fsdecode(gid_text)}")
        if uid_text and uid is None:
            raise RefusalError("", f"Invalid daemon uid: {os.fsdecode(uid_text)}")
        if root:
            preload.load()
            try:
                os.chroot(root)
                os.chdir("/")
            except OSError as error:
                shown = os.fsdecode(root)
                raise RefusalError(
                    "", f'rsync: [Receiver] daemon chroot("{shown}") failed: {operator_file.reason(error)}'
                ) from None
        if gid is not None:
            try:
                os.setgid(gid)
                os.setgroups([gid])
            except OSError as error:
                text = f"rsync: [Receiver] Unable to set group to daemon gid {gid}: {operator_file.reason(error)}"
                raise RefusalError("", text) from None
        if uid is not None:
            try:
                os.setuid(uid)
            except OSError as error:
                text = f"rsync: [Receiver] Unable to set user to daemon uid {uid}: {operator_file.reason(error)}"
                raise RefusalError("", text) from None

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
        """Refuse what no transfer can come of (spec: protocol-old 12); the list of modules is for anybody."""
        if self.announced not in agreement.PEER_NUMBERS or self.protocol < OLDEST_PROTOCOL:
            self._refuse(f"protocol {self.announced} is not spoken here")

    def _refuse(self, text: str) -> NoReturn:
        raise RefusalError(f"@ERROR: {text}", f"refused {self.who}: {text}", 2)

    def _motd(self) -> bytes:
        path = self.config.globals.text("motd file")
        if not path:
            return b""
        try:
            text = operator_file.read_walk(path)
        except OSError as error:
            if isinstance(error, operator_file.RefusedLink):
                self.log.error(operator_file.REFUSAL)
            return b"\n"
        return (text[:_MOTD_LIMIT] if self.config.strict else text) + b"\n"

    def _request(self) -> Section | None:
        line = self.talk.read_line(greeting.LINE_SIZE)
        if line.startswith(b"#early_input="):
            text = line[13:]
            length = int(text) if text.isdigit() and len(text) < 6 else 0
            if not 0 < length <= _EARLY_LIMIT:
                raise RefusalError("@ERROR: invalid early_input length")
            self.early_input = self.talk.read_exact(length)
            line = self.talk.read_line(greeting.LINE_SIZE)
        if line in (b"", b"#list"):
            self.log.write(f"module-list request from {self.who}")
            self._list()
            return None
        if line.startswith(b"#"):
            raise RefusalError(b"@ERROR: Unknown command '" + line + b"'")
        section = self.config.module(line)
        if section is None:
            raise RefusalError(
                b"@ERROR: Unknown module '" + line + b"'",
                f"unknown module '{os.fsdecode(line)}' tried from {self.who}",
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
            say=self.log.error,
            strict=self.config.strict,
        )

    def _admit(self, section: Section) -> None:
        charset = section.text("charset")
        if charset and not is_charset(charset):
            raise RefusalError("", f'iconv_open("UTF-8", "{os.fsdecode(charset)}") failed', 4)
        name = os.fsdecode(section.name)
        if not self.resolved and section.flag("reverse lookup"):
            self._look_up()
        self._publish(b"RSYNC_MODULE_NAME", section.name)
        self._publish(b"RSYNC_HOST_ADDR", self.peer.address.encode())
        self._publish(b"RSYNC_HOST_NAME", self.peer.name)
        if not self._host_allowed(section):
            client = f"@ERROR: access denied to {name} from {self.who}"
            if not section.flag("list"):
                client = f"@ERROR: Unknown module '{name}'"
            raise RefusalError(client, f"rsync denied on module {name} from {self.who}")
        if not self.over_shell:
            self.log.write(f"rsync allowed access on module {name} from {self.who}")
        fault = self.config.refusal(section)
        if fault is not None:
            raise RefusalError(
                "@ERROR: daemon security issue -- contact admin", f"refusing to serve module {name}: {fault}", 4
            )
        self._take_slot(section)
        self.talk.arm(self._limit(section))
        self._log_in(section)

    def _take_slot(self, section: Section) -> None:
        limit = section.number("max connections")
        if not limit:
            return
        if limit > 0:
            path = section.text("lock file")
            try:
                slot = slots.claim(path, limit)
            except OSError as error:
                text = f"rsync: [Receiver] failed to open lock file {os.fsdecode(path)}: {operator_file.reason(error)}"
                raise RefusalError("@ERROR: failed to open lock file", with_refusal(error, text)) from None
            if slot is not None:
                self.slot = slot
                return
        raise RefusalError(
            f"@ERROR: max connections ({limit}) reached -- try again later", f"max connections ({limit}) reached"
        )

    def _log_in(self, section: Section) -> None:
        users = section.text("auth users")
        self._publish(b"RSYNC_USER_NAME", b"")
        if not users:
            return
        name = os.fsdecode(section.name)
        failed = f"auth failed on module {name} from {self.who}"
        refused = f"@ERROR: auth failed on module {name}"
        try:
            rules = auth.rules(users, strict=self.config.strict)
        except auth.RuleError as error:
            raise RefusalError(refused, f"{failed}: {error}") from None
        digest = auth.choose_digest(self.digests, self.protocol, self.announced)
        if digest is None:
            ours = b" ".join(auth.DIGESTS).decode()
            text = f"@ERROR: your client does not support one of our daemon-auth checksums: {ours}"
            raise RefusalError(text, "", 4)
        floor = section.text("auth digest") or (b"sha256" if self.config.strict else b"")
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
        self._publish(b"RSYNC_USER_NAME", self.user)

    # ---- the module's set-up (steps 13 to 20)

    def _open(self, section: Section) -> int:
        # Hooks have a limit of their own, and the operator's disks are not the peer's fault.
        self.talk.arm(None)
        self.resolver.close()
        who = module.identity(section, root=os.geteuid() == 0)
        where = module.roots(section, can_chroot=module.chroot_problem, say=self.log.error)
        self._publish(b"RSYNC_MODULE_PATH", where.full_path)
        self._publish(b"RSYNC_PID", b"%d" % self.pid)
        rules = filters.rules(section)
        self.log.open(section, self.settings.log_file)
        facts = self._facts(section, where)
        facts.daemon_rules = rules
        if not hooks.disabled():
            code = self._hooks(section)
            if code is not None:
                return code
        if where.chroot is not None:
            preload.load()
            if facts.charset is not None:
                # The codec would not be found in there.
                is_charset(facts.charset)
        module.enter(where, insecure_links=facts.insecure_links)
        facts.root_fd = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if where.munge:
            module.check_munge()
        module.become(who)
        self.talk.arm(self._limit(section))
        self.talk.line("@RSYNCD: OK")
        asked = arguments.read(self.talk, self.protocol, section.name, charset=facts.charset)
        self.talk.arm(None)
        from tain.daemon import transfer

        return transfer.run(self, section, facts, asked)

    def _facts(self, section: Section, where: module.Roots) -> ModuleFacts:
        facts = ModuleFacts()
        facts.module = section.name
        facts.module_path = where.full_path
        facts.module_root = where.root
        facts.module_chroot = where.chroot is not None and where.root == b"/"
        facts.sanitize_paths = where.sanitize
        facts.strict = self.config.strict
        facts.munge_links = where.munge
        facts.insecure_links = section.flag("insecure links")
        facts.incoming_chmod = section.text("incoming chmod")
        facts.outgoing_chmod = section.text("outgoing chmod")
        facts.ignore_errors = section.flag("ignore errors")
        facts.ignore_nonreadable = section.flag("ignore nonreadable")
        facts.fake_super = section.flag("fake super")
        wanted = section.tri("numeric ids")
        # Behind a chroot there are no names but those that a converter knows.
        named = where.chroot is None or bool(section.raw("name converter"))
        facts.numeric_ids = not named if wanted is None else wanted
        facts.open_noatime = section.tri("open noatime")
        facts.temp_dir = section.text("temp dir") or self.settings.temp_dir or None
        facts.charset = section.text("charset") or None
        facts.timeout = max(0, section.number("timeout")) or (600 if self.config.strict else 0)
        facts.max_verbosity = section.number("max verbosity")
        facts.read_only = self.access == "ro" or (section.flag("read only") and self.access != "rw")
        facts.write_only = section.flag("write only")
        facts.no_compress = b"*" in section.text("dont compress").split()
        facts.trust_sender = section.flag("tain trust sender")
        facts.log_format = self._log_format(section)
        facts.bwlimit = self.settings.bwlimit
        facts.protocol = self.protocol
        facts.peer_host = self.peer.name
        facts.peer_addr = self.peer.address.encode()
        facts.auth_user = self.user
        facts.pid = self.pid
        facts.log = self.log.told
        return facts

    def _log_format(self, section: Section) -> bytes | None:
        if self.settings.log_format is not None:
            return self.settings.log_format or None
        # Only `%%` has another meaning here; `%X%` has been expanded by then.
        return section.text("log format") if section.flag("transfer logging") else None

    def _hooks(self, section: Section) -> int | None:
        """Step 16. In the process that stays outside for ``post-xfer exec`` this gives its exit code."""
        if section.raw("post-xfer exec"):
            # Vet the command now: afterwards nobody could be told.
            hooks.command(section, "post-xfer exec")
            try:
                child = os.fork()
            except OSError as error:
                text = f"rsync: [Receiver] fork failed: {operator_file.reason(error)}"
                raise RefusalError("@ERROR: fork failed", text) from None
            if child:
                return self._stay_behind(section, child)
        if section.raw("early exec"):
            try:
                values = {**self.config.variables.connection, b"RSYNC_REQUEST": b"(NONE)"}
                status = hooks.run_now(section, "early exec", values, self.early_input)
            except OSError as error:
                text = f"rsync: [Receiver] early exec preparation failed: {operator_file.reason(error)}"
                raise RefusalError("@ERROR: early exec preparation failed", text) from None
            if status:
                # The text is rsync's, which has reaped the command by then.
                text = f"rsync: [Receiver] early exec failed: {os.strerror(errno.ECHILD)} ({errno.ECHILD})"
                raise RefusalError("@ERROR: early exec failed", text)
        if section.raw("pre-xfer exec"):
            self.pre = hooks.Hook(section, "pre-xfer exec")
            try:
                self.pre.prepare(capture=True)
            except OSError as error:
                text = f"rsync: [Receiver] pre-xfer exec preparation failed: {operator_file.reason(error)}"
                raise RefusalError("@ERROR: pre-xfer exec preparation failed", text) from None
        if section.raw("name converter"):
            self.converter = hooks.Converter(section)
            try:
                self.converter.start()
            except OSError as error:
                text = f"rsync: [Receiver] name-converter exec preparation failed: {operator_file.reason(error)}"
                raise RefusalError("@ERROR: name-converter exec preparation failed", text) from None
        return None

    def _stay_behind(self, section: Section, child: int) -> int:
        """Wait for the transfer with the daemon's identity, then run the hook. The slot stays with this process."""
        null = os.open(b"/dev/null", os.O_RDWR)
        for fd in {self.talk.read_fd, self.talk.write_fd}:
            os.dup2(null, fd)
        status = os.waitpid(child, 0)[1]
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
        values = {
            **self.config.variables.connection,
            b"RSYNC_RAW_STATUS": b"%d" % status,
            b"RSYNC_EXIT_STATUS": b"%d" % code,
        }
        try:
            hooks.run_now(section, "post-xfer exec", values)
        except (OSError, RefusalError) as error:
            self.log.error(f"post-xfer exec failed: {error}")
            return -1
        return code if code >= 0 else 128 + os.WTERMSIG(status)

    def run_pre_transfer(self, asked: arguments.Arguments, found: list[bytes]) -> str:
        """Step 22: let the prepared commands run, now that the request is known. The text for the client on failure.

        ``found`` are the paths as the transfer takes them.
        """
        if self.pre is None and self.converter is None:
            return ""
        values = dict(self.config.variables.connection)
        values[b"RSYNC_REQUEST"] = asked.request
        words = [b"rsyncd", *asked.raw[: len(asked.raw) - len(asked.paths)], *found]
        for number, word in enumerate(words):
            values[b"RSYNC_ARG%d" % number] = word
        block = hooks.environment(values, strict=self.config.strict)
        if self.converter is not None:
            self.converter.begin(block)
        hook, self.pre = self.pre, None
        if hook is None:
            return ""
        status, output = hook.release(block)
        if not status:
            return ""
        text = os.fsdecode(output).rstrip("\n")
        told = f"pre-xfer exec returned failure ({status})"
        return f"{told}:\n{text}" if text else told


def is_socket(fd: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False
