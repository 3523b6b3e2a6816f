"""A module as the transfer of one connection sees it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.daemon.module import Roots
    from tain.daemon.sections import Section
    from tain.daemon.settings import Settings

#: Seconds, for a strict configuration without `timeout`.
_STRICT_TIMEOUT = 600


class ModuleView:
    """The parameters of a module, read when they are needed.

    A property stands for a parameter whose value depends on something else as well, or that has more than one reader.
    The rest is read from `section` where it takes effect: in `tain.daemon.request.adapt` and
    `tain.daemon.transfer.plan_fields`.
    """

    __slots__ = ("access", "root_fd", "rules", "section", "settings", "where")

    def __init__(self, section: Section, where: Roots, settings: Settings, *, access: str, rules: list[bytes]) -> None:
        """*access* is ``ro`` or ``rw`` when the rule of the user who logged in says so, else empty."""
        self.section = section
        self.where = where
        self.settings = settings
        self.access = access
        #: The module's filter, as new-style rules.
        self.rules = rules
        #: A descriptor of the module's root, opened before the process changes its identity.
        self.root_fd = -1

    def check(self) -> None:
        """Expand the values that the transfer will need: an unsafe variable in one of them must end the connection
        before the client gets its OK. Errors: `UnsafeExpansionError`, `ExpansionOverflowError`."""
        for name in ("incoming chmod", "outgoing chmod", "temp dir", "charset", "dont compress"):
            self.section.text(name)
        _ = self.log_format

    @property
    def name(self) -> bytes:
        return self.section.name

    @property
    def strict(self) -> bool:
        """``tain strict``."""
        return self.section.variables.strict

    @property
    def root(self) -> bytes:
        """The module's root as this process sees it; also its working directory."""
        return self.where.root

    @property
    def is_chroot(self) -> bool:
        """The module's root is the root of this process."""
        return self.where.chroot is not None and self.where.root == b"/"

    @property
    def read_only(self) -> bool:
        return self.access == "ro" or (self.section.flag("read only") and self.access != "rw")

    @property
    def insecure_links(self) -> bool:
        return self.section.flag("insecure links")

    @property
    def numeric_ids(self) -> bool:
        """Without a setting: behind a chroot only a converter knows names."""
        wanted = self.section.tri("numeric ids")
        if wanted is not None:
            return wanted
        return self.where.chroot is not None and not self.section.raw("name converter")

    @property
    def system_accounts(self) -> bool:
        """Whether accounts may come from all sources of the system. In a chroot the C library would load the code for
        them from a tree that clients may write."""
        return self.where.chroot is None and not self.section.raw("daemon chroot")

    @property
    def charset(self) -> bytes | None:
        """The charset of names on disk; None means no conversion."""
        return self.section.text("charset") or None

    @property
    def temp_dir(self) -> bytes | None:
        return self.section.text("temp dir") or self.settings.temp_dir or None

    @property
    def timeout(self) -> int:
        """Seconds, 0 = none: an upper bound for what the client asks."""
        return max(0, self.section.number("timeout")) or (_STRICT_TIMEOUT if self.strict else 0)

    @property
    def log_format(self) -> bytes | None:
        """The format of the log line of an item; None means no transfer logging."""
        if self.settings.log_format is not None:
            return self.settings.log_format or None
        # Variables like `%RSYNC_USER_NAME%` are expanded here; the escapes of one letter are left to the transfer.
        return self.section.text("log format") if self.section.flag("transfer logging") else None

    def chmod_name(self, *, sender: bool) -> str:
        """The parameter that changes modes in this direction."""
        return "outgoing chmod" if sender else "incoming chmod"
