"""Directories and files that a client's options name, kept inside the module (spec: daemon 7.3)."""

from __future__ import annotations

from tain.errors import SelectionError, UnsupportedError, UsageError
from tain.escape import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.daemon.facts import ModuleFacts
    from tain.options.resolved import Options

_REJECTED = "Your options have been rejected by the server."


def sanitize(path: bytes, root: bytes, depth: int) -> bytes:
    """A leading slash stands for the module's root; ``..`` goes up ``depth`` levels at most; the rest is dropped."""
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


def confine(options: Options, facts: ModuleFacts) -> None:
    """Rewrite every path-valued option. Raises what the client is told when one is hidden by the daemon's filter."""
    own_temp = options.temp_dir
    # Batches are files of the client's own: a server has no part in them.
    options.read_batch = options.write_batch = None
    options.only_write_batch = False
    # A chroot has done the same for absolute paths; the text rule is needed where the root is elsewhere.
    if facts.sanitize_paths:
        depth = _depth(options)
        for name in ("backup_dir", "partial_dir", "temp_dir", "files_from"):
            value = getattr(options, name)
            if isinstance(value, bytes) and value and not (name == "files_from" and value == b"-"):
                # What is written beside the destination's files climbs out of no directory (observed).
                up = 0 if name in ("backup_dir", "temp_dir") else depth
                setattr(options, name, sanitize(value, facts.module_root, up))
        options.alt_dirs = [sanitize(value, facts.module_root, depth) for value in options.alt_dirs]
        options.filter_events = [_sanitized_event(event, facts.module_root) for event in options.filter_events]
    if own_temp is None and facts.temp_dir:
        shown = facts.temp_dir
        options.temp_dir = sanitize(shown, facts.module_root, 0) if facts.sanitize_paths else shown
    if facts.daemon_rules:
        _reject_hidden(options, facts, own_temp)


def _sanitized_event(
    event: tuple[str, bytes] | tuple[str, int] | tuple[str], root: bytes
) -> tuple[str, bytes] | tuple[str, int] | tuple[str]:
    """A rule option whose file, if it names one, is in the module."""
    if event[0] in ("exclude-from", "include-from") and isinstance(event[-1], bytes):
        return (event[0], sanitize(event[-1], root, 0))
    return event


def _reject_hidden(options: Options, facts: ModuleFacts, own_temp: bytes | None) -> None:
    """What the filter hides can not be written or read by way of an option either (spec: daemon 8)."""
    sends = options.sender
    base = b"" if sends or not options.args else options.args[-1]

    def hidden(path: bytes | None, is_dir: bool) -> bool:
        return path is not None and hides(facts, path, is_dir, base, sends=sends)

    files = [value for kind, value in _rule_files(options) if kind in ("exclude-from", "include-from")]
    if options.files_from not in (None, b"-"):
        files.append(options.files_from)
    # Without a destination these are of no use, so they do no harm.
    directories = [] if sends else [options.backup_dir, None if own_temp is None else options.temp_dir]
    if any(hidden(path, True) for path in directories) or any(hidden(path, False) for path in files):
        raise UnsupportedError(f"rsync: {_REJECTED}")
    if sends:
        return
    # A relative partial-dir is not one place but one in each directory, and its name may well be excluded.
    partial = options.partial_dir if (options.partial_dir or b"").startswith(b"/") else None
    if any(hidden(path, True) for path in [*options.alt_dirs, partial]):
        facts.log(b"receiving file list")
        raise UsageError(_REJECTED)
    # Whether it is a directory shows only later, so a rule for either kind counts.
    if any(hides(facts, base, is_dir, b"", sends=False) for is_dir in (True, False)):
        facts.log(b"receiving file list")
        raise SelectionError(f'ERROR: daemon has excluded destination "{printable(base)}"')


def _rule_files(options: Options) -> list[tuple[str, bytes]]:
    """Files of rules among the options, as kind and path."""
    return [(event[0], event[1]) for event in options.filter_events if len(event) > 1 and isinstance(event[1], bytes)]


def hides(facts: ModuleFacts, path: bytes, is_dir: bool, base: bytes, *, sends: bool) -> bool:
    """Whether the daemon's filter hides *path*; a relative one is relative to *base* in the module.

    Its parents are not tested, unless the configuration is strict: what stands in a hidden drop box may be named.
    """
    from tain import _core

    parts = inside(facts, path, base)
    if not parts:
        return False
    name = b"/".join(parts)
    return _core.excluded(facts.daemon_rules, name, is_dir, sends=sends, parents=facts.strict)


def inside(facts: ModuleFacts, path: bytes, base: bytes) -> list[bytes]:
    """The components of *path* below the module's root, ``..`` resolved as text."""
    root = facts.module_root.rstrip(b"/") + b"/"
    if path.startswith(b"/"):
        path = path[len(root) :] if path.startswith(root) else path
    else:
        path = base + b"/" + path
    parts: list[bytes] = []
    for part in path.split(b"/"):
        if part == b"..":
            parts[-1:] = []
        elif part not in (b"", b"."):
            parts.append(part)
    return parts


def _depth(options: Options) -> int:
    """How deep the destination is in the module: relative directories are relative to it."""
    if options.sender or not options.args:
        return 0
    depth = 0
    for part in options.args[-1].split(b"/"):
        if part == b"..":
            depth = max(0, depth - 1)
        elif part not in (b"", b"."):
            depth += 1
    return depth
