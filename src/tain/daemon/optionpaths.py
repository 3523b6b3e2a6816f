"""Directories and files that a client's options name, kept inside the module (spec: daemon 7.3)."""

from __future__ import annotations

import os

from tain.errors import UsageError

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
    """Rewrite every path-valued option. Raises :class:`UsageError` when the temporary directory is missing."""
    own_temp = options.temp_dir
    # A chroot has done the same for absolute paths; the text rule is needed where the root is elsewhere.
    if facts.sanitize_paths:
        depth = _depth(options)
        for name in ("backup_dir", "partial_dir", "temp_dir", "files_from"):
            value = getattr(options, name)
            if isinstance(value, bytes) and value and not (name == "files_from" and value == b"-"):
                setattr(options, name, sanitize(value, facts.module_root, depth))
        options.alt_dirs = [sanitize(value, facts.module_root, depth) for value in options.alt_dirs]
    if own_temp is None and facts.temp_dir:
        shown = facts.temp_dir
        options.temp_dir = sanitize(shown, facts.module_root, 0) if facts.sanitize_paths else shown
    if options.temp_dir is not None and not options.sender and not os.path.isdir(options.temp_dir):
        raise UsageError(f"The temp-dir does not exist: {os.fsdecode(options.temp_dir)}")


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
