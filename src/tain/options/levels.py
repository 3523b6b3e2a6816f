"""Info and debug levels: words, priorities, the effect of ``-v``, and the words for a server (spec: options 4)."""

from __future__ import annotations

from tain.digits import bounded
from tain.errors import UsageError
from tain.escape import printable
from tain.options.resolved import ResolvedOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

#: Who set a level. A lower priority never overrides a higher one.
DEFAULT, HELP, USER, LIMIT = 0, 1, 2, 3

MAX_LEVEL = 4

#: Which side of a transfer acts on a word: s sender, r receiver, c client.
#: word -> (sides, description).
INFO: dict[str, tuple[str, str]] = {
    "BACKUP": ("r", "Mention files backed up"),
    "COPY": ("r", "Mention files copied locally on the receiving side"),
    "DEL": ("r", "Mention deletions on the receiving side"),
    "FLIST": ("c", "Mention file-list receiving/sending (levels 1-2)"),
    "MISC": ("sr", "Mention miscellaneous information (levels 1-2)"),
    "MOUNT": ("sr", "Mention mounts that were found or skipped"),
    "NAME": ("sr", "Mention 1) updated file/dir names, 2) unchanged names"),
    "NONREG": ("r", "Mention skipped non-regular files (default 1, 0 disables)"),
    "PROGRESS": ("c", "Mention 1) per-file progress or 2) total transfer progress"),
    "REMOVE": ("s", "Mention files removed on the sending side"),
    "SKIP": ("r", "Mention files skipped due to transfer overrides (levels 1-2)"),
    "STATS": ("sr", "Mention statistics at end of run (levels 1-3)"),
    "SYMSAFE": ("sr", "Mention symlinks that are unsafe"),
}

DEBUG: dict[str, str] = {
    "ACL": "Debug extra ACL info",
    "BACKUP": "Debug backup actions (levels 1-2)",
    "BIND": "Debug socket bind actions",
    "CHDIR": "Debug when the current directory changes",
    "CONNECT": "Debug connection events (levels 1-2)",
    "CMD": "Debug commands+options that are issued (levels 1-2)",
    "DEL": "Debug delete actions (levels 1-3)",
    "DELTASUM": "Debug delta-transfer checksumming (levels 1-4)",
    "DUP": "Debug weeding of duplicate names",
    "EXIT": "Debug exit events (levels 1-3)",
    "FILTER": "Debug filter actions (levels 1-3)",
    "FLIST": "Debug file-list operations (levels 1-4)",
    "FUZZY": "Debug fuzzy scoring (levels 1-2)",
    "GENR": "Debug generator functions",
    "HASH": "Debug hashtable code",
    "HLINK": "Debug hard-link actions (levels 1-3)",
    "ICONV": "Debug iconv character conversions (levels 1-2)",
    "IO": "Debug I/O routines (levels 1-4)",
    "NSTR": "Debug negotiation strings",
    "OWN": "Debug ownership changes in users & groups (levels 1-2)",
    "PROTO": "Debug protocol information",
    "RECV": "Debug receiver functions",
    "SEND": "Debug sender functions",
    "TIME": "Debug setting of modified times (levels 1-2)",
}

#: The words that each count of ``-v`` adds.
INFO_VERBOSITY = (
    "NONREG",
    "COPY,DEL,FLIST,MISC,NAME,STATS,SYMSAFE",
    "BACKUP,MISC2,MOUNT,NAME2,REMOVE,SKIP",
    "",
    "",
    "",
)
DEBUG_VERBOSITY = (
    "",
    "",
    "BIND,CONNECT,CMD,DEL,DELTASUM,DUP,FILTER,FLIST,ICONV",
    "ACL,BACKUP,CONNECT2,DEL2,DELTASUM2,EXIT,FILTER2,FLIST2,FUZZY,GENR,OWN,RECV,SEND,TIME",
    "CMD2,DEL3,DELTASUM3,EXIT2,FLIST3,ICONV2,OWN2,PROTO,TIME2",
    "CHDIR,DELTASUM4,FLIST4,FUZZY2,HASH,HLINK",
)

_DIGITS = "0123456789"


class HelpWanted(Exception):
    """The list contains ``HELP``; the argument is the text to print."""


def _item(item: str) -> tuple[str, int]:
    """Split ``WORD[digits]``; the level is 1 without digits and capped."""
    end = len(item)
    while end and item[end - 1] in _DIGITS:
        end -= 1
    level = bounded(item[end:].encode(), MAX_LEVEL) if end < len(item) else 1
    return item[:end], level


def apply(options: ResolvedOptions, kind: str, text: str, priority: int = DEFAULT, *, strict: bool = False) -> None:
    """Set levels from a comma list (in Latin-1, byte for byte). *kind* is "info" or "debug"; *strict* refuses
    unknown words (a client does).

    Errors: `UsageError` for an unknown word, `HelpWanted` for ``HELP``; both only when *strict*.
    """
    words, levels, owners = _of(options, kind)
    for item in text.split(","):
        if not item:
            continue
        name, level = _item(item)
        upper = name.upper()
        if upper == "HELP":
            if strict:
                raise HelpWanted(help_text(kind))
            continue
        if upper == "NONE":
            level = 0
        if upper in ("ALL", "NONE"):
            chosen = list(words)
        elif upper in words:
            chosen = [upper]
        else:
            if strict:
                raise UsageError(f'Unknown --{kind} item: "{printable((name or item).encode("latin-1"))}"')
            continue
        for word in chosen:
            if owners.get(word, 0) <= priority:
                levels[word] = level
                owners[word] = priority


def apply_verbosity(options: ResolvedOptions) -> None:
    """Set the levels of ``-v`` as often as given; a word that an option set keeps its level. All words get one."""
    for kind, steps in (("info", INFO_VERBOSITY), ("debug", DEBUG_VERBOSITY)):
        words, levels, _ = _of(options, kind)
        for word in words:
            levels.setdefault(word, 0)
        for step in steps[: min(options.verbose, 5) + 1]:
            apply(options, kind, step)


def limit(options: ResolvedOptions, verbosity: int) -> None:
    """Lower every level to what ``-v`` given *verbosity* times would set (a daemon's ``max verbosity``)."""
    top = ResolvedOptions()
    top.verbose = max(verbosity, 0)
    apply_verbosity(top)
    for kind in ("info", "debug"):
        _, levels, owners = _of(options, kind)
        for word, level in getattr(top, kind).items():
            if levels.get(word, 0) > level:
                levels[word], owners[word] = level, LIMIT


def _of(options: ResolvedOptions, kind: str) -> tuple[Collection[str], dict[str, int], dict[str, int]]:
    """All words of a kind, their levels in *options*, and who set them."""
    if kind == "info":
        return INFO, options.info, options.info_priority
    return DEBUG, options.debug, options.debug_priority


def forwarded(levels: dict[str, int], owners: dict[str, int], *, server_sends: bool) -> str:
    """The value of ``--info`` for a server in that role, or "" (spec: options 4.4)."""
    side = "s" if server_sends else "r"
    used = [word for word, (sides, _) in INFO.items() if side in sides]
    chosen = [word for word in used if owners.get(word, 0) in (HELP, USER)]
    common: int | None = None
    if len(chosen) == len(used):
        counts = [0] * (MAX_LEVEL + 1)
        for word in chosen:
            counts[levels[word]] += 1
        best = max(range(MAX_LEVEL + 1), key=lambda level: counts[level])
        if counts[best] >= 5:
            common = best
    items = [] if common is None else ["NONE" if common == 0 else "ALL" + _suffix(common)]
    items.extend(word + _suffix(levels[word]) for word in chosen if levels[word] != common)
    return ",".join(items)


def _suffix(level: int) -> str:
    return "" if level == 1 else str(level)


def help_text(kind: str) -> str:
    """The answer to ``--info=help`` or ``--debug=help``."""
    lines = ["Use OPT or OPT1 for level 1 output, OPT2 for level 2, etc.; OPT0 silences.", ""]
    if kind == "info":
        lines.extend(f"{word:<10} {text}" for word, (_, text) in INFO.items())
        steps = INFO_VERBOSITY
    else:
        lines.extend(f"{word:<10} {text}" for word, text in DEBUG.items())
        steps = DEBUG_VERBOSITY
    lines += [
        "",
        f"{'ALL':<10} Set all --{kind} options (e.g. all4)",
        f"{'NONE':<10} Silence all --{kind} options (same as all0)",
        f"{'HELP':<10} Output this help message",
        "",
        "Options added at each level of verbosity:",
    ]
    lines.extend(f"{step}) {text}" for step, text in enumerate(steps) if text)
    return "\n".join(lines) + "\n"
