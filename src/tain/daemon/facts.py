"""What a transfer must know of the module it runs in: the hand-over from the daemon to the session."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class ModuleFacts:
    """Names are those of the plan where they mean the same (crates/core/src/plan.rs)."""

    __slots__ = (
        "auth_user", "bwlimit", "charset", "daemon_rules", "fake_super", "ignore_errors", "ignore_nonreadable",
        "incoming_chmod", "insecure_links", "log", "log_format", "max_verbosity", "module", "module_chroot",
        "module_path", "module_root", "munge_links", "no_compress", "numeric_ids", "open_noatime", "outgoing_chmod",
        "peer_addr", "peer_host", "pid", "protocol", "read_only", "root_fd", "sanitize_paths", "strict", "temp_dir",
        "timeout", "trust_sender", "write_only",
    )  # fmt: skip

    def __init__(self) -> None:
        #: The module's name, for ` (in MODULE)`.
        self.module: bytes = b""
        #: The cleaned path as configured (`%P`).
        self.module_path: bytes = b""
        #: The root as this process sees it, and a descriptor of it from before the change of identity. It is also the
        #: working directory.
        self.module_root: bytes = b"/"
        self.root_fd: int = -1
        #: The module's root is this process's root.
        self.module_chroot: bool = False
        self.sanitize_paths: bool = False
        #: ``tain strict``: the daemon's filter hides what is below a hidden directory from uploads and options too.
        self.strict: bool = False
        self.munge_links: bool = False
        self.insecure_links: bool = False
        self.daemon_rules: list[bytes] = []
        self.incoming_chmod: bytes = b""
        self.outgoing_chmod: bytes = b""
        self.ignore_errors: bool = False
        self.ignore_nonreadable: bool = False
        self.fake_super: bool = False
        self.numeric_ids: bool = False
        #: None = the client chooses.
        self.open_noatime: bool | None = None
        self.temp_dir: bytes | None = None
        #: Charset of names on disk; None = no conversion.
        self.charset: bytes | None = None
        #: Seconds, 0 = none: an upper bound for what the client asks.
        self.timeout: int = 0
        self.max_verbosity: int = 1
        self.read_only: bool = True
        self.write_only: bool = False
        #: ``dont compress = *``.
        self.no_compress: bool = False
        self.trust_sender: bool = False
        #: None = no transfer logging.
        self.log_format: bytes | None = None
        #: KiB/s, 0 = none: a cap on what is sent.
        self.bwlimit: int = 0
        #: From the greetings.
        self.protocol: int = 32
        self.peer_host: bytes = b""
        self.peer_addr: bytes = b""
        self.auth_user: bytes = b""
        #: The process that took the connection (`%p`).
        self.pid: int = 0
        #: Writes one line to the module's log.
        self.log: Callable[[bytes], None] = print
