"""Load everything that a connection needs before the fork and before a chroot hides it."""

from __future__ import annotations

import os
import sys

#: Modules of every transfer, imported first: their objects share pages, and a child that counts references in them
#: copies fewer pages.
FIRST = ("tain.daemon.child", "tain.report.output", "tain.session.environment", "tain.session.server", "tain._core")

#: Packages whose modules a connection may use. Importing any of them must have no effect (a test holds it).
PACKAGES = ("tain.cli", "tain.daemon", "tain.options", "tain.report", "tain.session", "tain.transport")

#: Modules of the standard library that these packages import late.
MODULES = ("encodings.idna", "grp", "hashlib", "hmac", "pwd", "shlex", "socket", "struct")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.daemon.settings import Settings

#: The request of most clients.
_WORDS = [b"--server", b"--sender", b"-vlogDtpre.iLsfxCIvu"]


def load() -> None:
    """Import all modules, load the time zone, and open ``/proc``."""
    import time

    time.tzset()
    time.localtime()
    for name in (*FIRST, *MODULES):
        __import__(name)
    for name in PACKAGES:
        __import__(name)
        for directory in sys.modules[name].__path__:
            for file in sorted(os.listdir(directory)):
                if file.endswith(".py") and not file.startswith("_"):
                    __import__(f"{name}.{file[:-3]}")
    from tain import _core

    _core.prepare_chroot()


def rehearse(settings: Settings) -> None:
    """Run the first steps of a connection before any fork.

    The C library loads its sources of names, and the interpreter specialises the code. In a child both would copy
    pages.
    """
    from tain.daemon import greeting, request
    from tain.session import accounts

    accounts.user_number(b"nobody")
    accounts.group_number(b"nogroup")
    refused = request.refused_by(b"", charset=False)
    # The interpreter specialises a function after some calls.
    for _ in range(8):
        settings.load()
        greeting.parse(greeting.own(settings.protocol))
        request.understand(_WORDS, refused)
