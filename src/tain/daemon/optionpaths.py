"""Keep the directories and files that a client's options name inside the module (spec: daemon 7.3)."""

from __future__ import annotations

from tain.errors import SelectionError, UnsupportedError, UsageError
from tain.escape import printable
from tain.options.paths import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain.daemon.module_view import ModuleView
    from tain.options.resolved import ResolvedOptions

_REJECTED = "Your options have been rejected by the server."


def sanitize(path: bytes, root: bytes, depth: int) -> bytes:
    """A leading slash means the module's root; ``..`` climbs at most *depth* levels, further ones are dropped."""
    absolute = path.startswith(b"/")
    left = 0 if absolute else depth
    out: list[bytes] = []
    climbed = 0
    for part in path.split(b"/"):
        if part in (b"", b"."):
            continue
        if part != b"..":
            out.append(part)
        elif len(out) > climbed:
            out.pop()
        elif climbed < left:
            out.append(part)
            climbed += 1
    text = b"/".join(out)
    if absolute:
        return root.rstrip(b"/") + b"/" + text
    return text or b"."


def confine(options: ResolvedOptions, view: ModuleView, log: Callable[[bytes], object]) -> None:
    """Rewrite every path-valued option to stay in the module.

    Errors: those for the client when the module's filter hides such a path. *log* writes one line to the daemon's log.
    """
    own_temp = options.temp_dir
    # A batch is a file of the client: a server neither reads nor writes it.
    options.read_batch = options.write_batch = None
    options.only_write_batch = False
    # In a chroot absolute paths are inside the module already.
    if view.where.sanitize:
        depth = _depth(options)
        for name in ("backup_dir", "partial_dir", "temp_dir", "files_from"):
            value = getattr(options, name)
            if isinstance(value, bytes) and value and not (name == "files_from" and value == b"-"):
                # As in rsync, these two climb out of no directory (tests/daemon/test_option_paths.py).
                up = 0 if name in ("backup_dir", "temp_dir") else depth
                setattr(options, name, sanitize(value, view.root, up))
        options.alt_dirs = [sanitize(value, view.root, depth) for value in options.alt_dirs]
        options.filter_events = [_sanitized_event(event, view.root) for event in options.filter_events]
    if own_temp is None and view.temp_dir:
        shown = view.temp_dir
        options.temp_dir = sanitize(shown, view.root, 0) if view.where.sanitize else shown
    if view.rules:
        _reject_hidden(options, view, log, own_temp)


def _sanitized_event(
    event: tuple[str, bytes] | tuple[str, int] | tuple[str], root: bytes
) -> tuple[str, bytes] | tuple[str, int] | tuple[str]:
    """A rule option with its file, if it names one, in the module."""
    if event[0] in ("exclude-from", "include-from") and isinstance(event[-1], bytes):
        return (event[0], sanitize(event[-1], root, 0))
    return event


def _reject_hidden(
    options: ResolvedOptions, view: ModuleView, log: Callable[[bytes], object], own_temp: bytes | None
) -> None:
    """Refuse an option that would read or write what the filter hides (spec: daemon 8)."""
    sends = options.sender
    base = b"" if sends or not options.args else options.args[-1]

    def hidden(path: bytes | None, is_dir: bool) -> bool:
        return path is not None and hides(view, path, is_dir, base, sends=sends)

    files = [value for kind, value in _rule_files(options) if kind in ("exclude-from", "include-from")]
    if options.files_from not in (None, b"-"):
        files.append(options.files_from)
    # A sender does not use these.
    directories = [] if sends else [options.backup_dir, None if own_temp is None else options.temp_dir]
    if any(hidden(path, True) for path in directories) or any(hidden(path, False) for path in files):
        raise UnsupportedError(f"rsync: {_REJECTED}")
    if sends:
        return
    # A relative partial-dir exists in each directory, and an exclude of its name is normal.
    partial = options.partial_dir if (options.partial_dir or b"").startswith(b"/") else None
    if any(hidden(path, True) for path in [*options.alt_dirs, partial]):
        log(b"receiving file list")
        raise UsageError(_REJECTED)
    # Its type is not known yet, so a rule for either type counts.
    if any(hides(view, base, is_dir, b"", sends=False) for is_dir in (True, False)):
        log(b"receiving file list")
        raise SelectionError(f'ERROR: daemon has excluded destination "{printable(base)}"')


def _rule_files(options: ResolvedOptions) -> list[tuple[str, bytes]]:
    """The rule options that have a value, as kind and value."""
    return [(event[0], event[1]) for event in options.filter_events if len(event) > 1 and isinstance(event[1], bytes)]


def hides(view: ModuleView, path: bytes, is_dir: bool, base: bytes, *, sends: bool) -> bool:
    """Whether the module's filter hides *path*; a relative one is relative to *base* in the module.

    Its parents are tested only in a strict configuration: an option may name an entry of a hidden drop box.
    """
    from tain import _core

    name = inside(view, path, base)
    return bool(name) and _core.excluded(view.rules, name, is_dir, sends=sends, parents=view.strict)


def inside(view: ModuleView, path: bytes, base: bytes) -> bytes:
    """The part of *path* below the module's root, with ``..`` resolved as text."""
    root = view.root.rstrip(b"/") + b"/"
    if path.startswith(b"/"):
        path = path[len(root) :] if path.startswith(root) else path
    else:
        path = base + b"/" + path
    return clean(b"/" + path)[1:]


def _depth(options: ResolvedOptions) -> int:
    """The depth of the destination in the module, from which relative directories start."""
    if options.sender or not options.args:
        return 0
    path = clean(b"/" + options.args[-1])
    return 0 if path == b"/" else path.count(b"/")
