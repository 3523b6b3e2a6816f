"""Options that are parsed but not implemented. They are refused, because an option without effect would mislead, and
most of all one for encryption. README.md has the same list."""

from __future__ import annotations

from tain.errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.options.resolved import ResolvedOptions


def refuse(options: ResolvedOptions) -> None:
    """Errors: `UnsupportedError` naming the first such option."""
    if options.tls:
        word = "--tls"
    elif options.tls_pin is not None:
        word = "--tls-pin"
    else:
        return
    raise UnsupportedError(f"rsync: {word} is not supported by this version of tain")
