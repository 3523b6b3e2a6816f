"""Directories and files that a client's options name, kept inside the module (spec: daemon 7.3)."""

from __future__ import annotations

import os

from tain.errors import SelectionError, UnsupportedError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tain.cli.options import Options
    from tain.daemon.facts import ModuleFacts


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
    if own_temp is None and facts.temp_dir:
        shown = facts.temp_dir
        options.temp_dir = sanitize(shown, facts.module_root, 0) if facts.sanitize_paths else shown
    if facts.daemon_rules:
        _reject_hidden(options, facts, own_temp)


def _reject_hidden(options: Options, facts: ModuleFacts, own_temp: bytes | None) -> None:
    """What the filter hides can not be written or read by way of an option either (spec: daemon 8)."""
    base = b"" if options.sender or not options.args else options.args[-1]

    def hidden(path: bytes | None, is_dir: bool) -> bool:
        return path is not None and hides(facts, path, is_dir, base)

    names = options.files_from if options.files_from != b"-" else None
    if (
        hidden(options.backup_dir, True)
        or (own_temp is not None and hidden(options.temp_dir, True))
        or hidden(names, False)
    ):
        raise UnsupportedError("rsync: Your options have been rejected by the server.")
    if options.sender:
        return
    if any(hidden(path, True) for path in options.alt_dirs):
        facts.log(b"receiving file list")
        raise UsageError("Your options have been rejected by the server.")
    if hides(facts, base, True, b""):
        facts.log(b"receiving file list")
        raise SelectionError(f'ERROR: daemon has excluded destination "{os.fsdecode(base)}"')


def hides(facts: ModuleFacts, path: bytes, is_dir: bool, base: bytes) -> bool:
    """Whether the daemon's filter hides *path*; a relative one is relative to *base* in the module."""
    from tain import _core

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
    return bool(parts) and _core.excluded(facts.daemon_rules, b"/".join(parts), is_dir)


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
