"""What a connection needs, loaded while it can be: not in each fork anew, and not behind a chroot."""

from __future__ import annotations

import os
import sys

#: What every transfer uses, before the rest: objects used together then stand together, and a child that counts
#: references in them copies fewer pages.
FIRST = ("tain.daemon.child", "tain.report.output", "tain.session.environment", "tain.session.server", "tain._core")

#: Packages all of whose modules a connection may come to use.
PACKAGES = ("tain.cli", "tain.daemon", "tain.options", "tain.report", "tain.session", "tain.transport")

#: Modules of the standard library that they import late.
MODULES = ("encodings.idna", "grp", "hashlib", "hmac", "pwd", "shlex", "socket", "struct")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.daemon.settings import Settings

#: What most clients ask for.
_WORDS = [b"--server", b"--sender", b"-vlogDtpre.iLsfxCIvu"]


def load() -> None:
    """Import them, and let the time zone and ``/proc`` be found before a chroot hides their files."""
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
    """Do once, before any fork, what every connection does first: the sources of names are loaded, code is specialised
    and its tables are filled here and not in each child, which would copy the pages that they stand in."""
    from tain.daemon import greeting, module, request
    from tain.options.refuse import refusals

    module.user_number(b"nobody")
    module.group_number(b"nogroup")
    refused = refusals([], charset=False)
    # The interpreter adapts a function to its use after some calls of it.
    for _ in range(8):
        settings.load()
        greeting.parse(greeting.own(settings.protocol))
        request.understand(_WORDS, refused)
