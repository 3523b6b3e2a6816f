"""What a connection needs, loaded while it can be: not in each fork anew, and not behind a chroot."""

from __future__ import annotations

#: Packages all of whose modules a connection may come to use.
PACKAGES = ("tain.cli", "tain.daemon", "tain.report", "tain.session", "tain.transport")

#: Modules of the standard library that they import late.
MODULES = ("encodings.idna", "grp", "hashlib", "hmac", "pwd", "shlex", "socket", "struct")


def load() -> None:
    """Import them, and let the time zone and ``/proc`` be found before a chroot hides their files."""
    import importlib
    import pkgutil
    import time

    time.tzset()
    time.localtime()
    for name in MODULES:
        importlib.import_module(name)
    for name in PACKAGES:
        for module in pkgutil.iter_modules(importlib.import_module(name).__path__):
            importlib.import_module(f"{name}.{module.name}")
    from tain import _core

    _core.prepare_chroot()
