"""Likely mistakes in a configuration (spec: daemon 16.1, B15 to B18)."""

from __future__ import annotations

import os

from tain.daemon import listings, views
from tain.daemon.sections import ERROR, NOTE, WARNING, Config, Diagnostic, Section
from tain.daemon.text import blanks


def check(config: Config) -> list[Diagnostic]:
    """Find likely mistakes, for ``--check-config``."""
    found: list[Diagnostic] = []

    def note(section: Section, name: str, text: str, level: str = NOTE) -> None:
        found.append(Diagnostic(level, text, config.file, section.lines.get(name, section.line)))

    comments: dict[bytes, bytes] = {}
    for section in config.modules:
        shown = os.fsdecode(section.name)
        if not section.raw("path"):
            note(section, "path", f"module {shown} has no path", WARNING)
        elif "path" not in section.lines:
            note(section, "path", f"module {shown} has no path of its own and serves the global one", WARNING)
        comment = section.raw("comment")
        if comment and comments.setdefault(comment, section.name) != section.name:
            note(section, "comment", f"module {shown} has the comment of module {os.fsdecode(comments[comment])}")
        for name in ("hosts allow", "hosts deny"):
            tokens = blanks(section.raw(name))
            for token in tokens:
                better = _tcp_wrapper(token)
                if better:
                    note(section, name, f'"{os.fsdecode(token)}" in {name} is not understood: {better}', WARNING)
        if section.raw("auth users") and not section.raw("secrets file"):
            text = f"module {shown} has auth users and no secrets file: nobody can log in"
            note(section, "auth users", text, WARNING)
        obstacle = views.obstacle(section) if views.wants_workers(section) else ""
        if b" ".join(section.raw("tain cache").lower().split()) not in listings.MODES:
            text = f"module {shown} has an unknown tain cache, which counts as off"
            note(section, "tain cache", text, WARNING)
        if obstacle and listings.mode(section) != b"off":
            note(section, "tain cache", f"module {shown} has tain cache, but can have no worker: {obstacle}", ERROR)
        elif obstacle:
            note(section, "tain workers", f"module {shown} is served without workers: {obstacle}")
        refusal = config.refusal(section)
        if refusal is not None:
            found.append(Diagnostic(ERROR, f"module {shown} is refused: {refusal.text}", refusal.file, refusal.line))
    return found


def without_repeats(lines: list[str]) -> list[str]:
    """Drop rsync's two lines about an unknown parameter where our own says more, and repeated reasons."""
    out: list[str] = []
    for at, line in enumerate(lines):
        text, _, place = line.rpartition(" (")
        explained = any(other.endswith(f" ({place}") for other in lines[at + 1 :])
        if text.startswith("Unknown Parameter encountered") and explained:
            continue
        if text.startswith("IGNORING unknown parameter") and explained:
            continue
        if text.startswith("module ") and " is refused: " in text:
            # The same reason has a line of its own, which is dropped.
            reason = text.partition(" is refused: ")[2]
            out = [other for other in out if other != f"{reason} ({place}"]
        out.append(line)
    return out


def _tcp_wrapper(token: bytes) -> str:
    """The correction of a word that tcp-wrappers know and rsync does not; empty for other words."""
    if token == b"ALL":
        return 'write "*"'
    if token in (b"LOCAL", b"EXCEPT", b"KNOWN", b"UNKNOWN", b"PARANOID"):
        return "there is no such word"
    parts = token[:-1].split(b".")
    if token.endswith(b".") and all(part.isdigit() for part in parts) and 1 <= len(parts) <= 3:
        return f'write "{os.fsdecode(b".".join(parts + [b"0"] * (4 - len(parts))))}/{8 * len(parts)}"'
    if token.startswith(b".") and len(token) > 1:
        return f'write "*{os.fsdecode(token)}"'
    if b"*" in token and all(part.isdigit() or part == b"*" for part in token.split(b".")):
        return "wildcards match names only, write addr/bits"
    return ""
