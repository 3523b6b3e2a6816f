"""The parameters of a daemon's configuration file: one row each (spec: daemon 3).

Parameter names compare without case and blanks, so rows are found by :func:`key`.
"""

from __future__ import annotations

STRING, PATH, INTEGER, BOOLEAN, BOOLEAN3, FACILITY = "string", "path", "integer", "boolean", "boolean3", "facility"

Value = bytes | int | bool | None

DEFAULT_DONT_COMPRESS = b" ".join(
    b"*." + suffix
    for suffix in (
        b"3g2 3gp 7z aac ace apk avi bz2 deb dmg ear f4v flac flv gpg gz iso jar jpeg jpg lrz lz lz4 lzma lzo m1a m1v "
        b"m2a m2ts m2v m4a m4b m4p m4r m4v mka mkv mov mp1 mp2 mp3 mp4 mpa mpeg mpg mpv mts odb odf odg odi odm odp "
        b"ods odt oga ogg ogm ogv ogx opus otg oth otp ots ott oxt png qt rar rpm rz rzip spx squashfs sxc sxd sxg "
        b"sxm sxw sz tbz tbz2 tgz tlz ts txz tzo vob war webm webp xz z zip zst"
    ).split()
)

# syslog.h numbers, shifted as openlog() wants them.
FACILITIES: dict[bytes, int] = {
    b"kern": 0 << 3, b"user": 1 << 3, b"mail": 2 << 3, b"daemon": 3 << 3, b"auth": 4 << 3, b"security": 4 << 3,
    b"syslog": 5 << 3, b"lpr": 6 << 3, b"news": 7 << 3, b"uucp": 8 << 3, b"cron": 9 << 3, b"authpriv": 10 << 3,
    b"ftp": 11 << 3, b"local0": 16 << 3, b"local1": 17 << 3, b"local2": 18 << 3, b"local3": 19 << 3,
    b"local4": 20 << 3, b"local5": 21 << 3, b"local6": 22 << 3, b"local7": 23 << 3,
}  # fmt: skip


class Parameter:
    """One row: its name as written in documents, its type, whether it belongs to the whole daemon, its default."""

    __slots__ = ("default", "kind", "name", "of_daemon", "shell")

    def __init__(self, name: str, kind: str, of_daemon: bool, default: Value, shell: bool = False) -> None:
        self.name = name
        self.kind = kind
        self.of_daemon = of_daemon
        self.default = default
        # The value is given to a shell: `%RSYNC_...%` in it is quoted and vetted (spec: daemon 10.4).
        self.shell = shell


def key(name: bytes) -> bytes:
    """The form in which names of parameters and sections are compared: lower case, no blanks."""
    return bytes(name).translate(None, b" \t\n\r\v\f").lower()


_DAEMON: tuple[tuple[str, str, Value], ...] = (
    ("address", STRING, None),
    ("port", INTEGER, 0),
    ("listen backlog", INTEGER, 5),
    ("socket options", STRING, None),
    ("motd file", STRING, None),
    ("pid file", STRING, None),
    ("daemon chroot", STRING, None),
    ("daemon uid", STRING, None),
    ("daemon gid", STRING, None),
    ("proxy protocol", BOOLEAN, False),
    ("proxy protocol hosts", STRING, None),
    ("tain strict", BOOLEAN, False),
    ("tain oldest protocol", INTEGER, 20),
    ("tain detach wait", BOOLEAN, True),
    ("tain reload on hup", BOOLEAN, False),
    ("tain max workers", INTEGER, 512),
    ("tain max per address", INTEGER, 20),
    ("tain rate limit", STRING, b"30/min"),
    ("tain name lookup timeout", INTEGER, 5),
    # Names of parameters rsync does not know and that an operator insists on (spec: security SEC-42).
    ("tain allow unknown", STRING, None),
)

_MODULE: tuple[tuple[str, str, Value], ...] = (
    ("path", PATH, None),
    ("comment", STRING, None),
    ("list", BOOLEAN, True),
    ("read only", BOOLEAN, True),
    ("write only", BOOLEAN, False),
    ("use chroot", BOOLEAN3, None),
    ("uid", STRING, None),
    ("gid", STRING, None),
    ("max connections", INTEGER, 0),
    ("lock file", STRING, b"/var/run/rsyncd.lock"),
    ("hosts allow", STRING, None),
    ("hosts deny", STRING, None),
    ("reverse lookup", BOOLEAN, True),
    ("forward lookup", BOOLEAN, True),
    ("auth users", STRING, None),
    ("secrets file", STRING, None),
    ("strict modes", BOOLEAN, True),
    ("auth digest", STRING, None),
    ("timeout", INTEGER, 0),
    ("max verbosity", INTEGER, 1),
    ("log file", STRING, None),
    ("syslog facility", FACILITY, FACILITIES[b"daemon"]),
    ("syslog tag", STRING, b"rsyncd"),
    ("transfer logging", BOOLEAN, False),
    ("log format", STRING, b"%o %h [%a] %m (%u) %f %l"),
    ("filter", STRING, None),
    ("include from", STRING, None),
    ("include", STRING, None),
    ("exclude from", STRING, None),
    ("exclude", STRING, None),
    ("incoming chmod", STRING, None),
    ("outgoing chmod", STRING, None),
    ("refuse options", STRING, None),
    ("dont compress", STRING, DEFAULT_DONT_COMPRESS),
    ("charset", STRING, None),
    ("temp dir", PATH, None),
    ("munge symlinks", BOOLEAN3, None),
    ("insecure links", BOOLEAN, False),
    ("numeric ids", BOOLEAN3, None),
    ("name converter", STRING, None),
    ("fake super", BOOLEAN, False),
    ("open noatime", BOOLEAN3, None),
    ("ignore errors", BOOLEAN, False),
    ("ignore nonreadable", BOOLEAN, False),
    ("early exec", STRING, None),
    ("pre-xfer exec", STRING, None),
    ("post-xfer exec", STRING, None),
    ("name", STRING, None),
    ("tain hook timeout", INTEGER, 0),
    ("tain hook argv", BOOLEAN, False),
    ("tain list reachable only", BOOLEAN, False),
    ("tain allow root uid", BOOLEAN, False),
    ("tain trust sender", BOOLEAN, False),
)

#: Names that are kept for what there is not yet, and whether somebody who writes one relies on it: what would be open
#: without it is not served.
PLANNED: dict[str, bool] = {
    "tain sandbox": True, "tain security log": False, "tain max pending": True, "tain memory": True,
    "tain tls port": False, "tain tls certificate": True, "tain tls key": True, "tain tls client ca": True,
    "tain tls crl": True, "tain tls required": True, "tain tls user": True,
    "tain max upload bytes": True, "tain max upload files": True, "tain min free space": True,
    "tain bwlimit": False, "tain nice": False, "tain ionice": False,
    "tain dir cache": False, "tain dir cache max age": False, "tain unsafe metadata": False,
}  # fmt: skip
#: Values that ask for no protection.
OFF = frozenset({b"", b"no", b"false", b"0", b"off", b"none", b"unset", b"-1", b"auto"})

_SHELL = frozenset({"early exec", "pre-xfer exec", "post-xfer exec", "name converter"})

# A misspelt one of these would open what was meant to be closed (spec: security SEC-42).
ACCESS_CONTROL = frozenset(
    {
        "hosts allow", "hosts deny", "auth users", "secrets file", "strict modes", "auth digest", "read only",
        "write only", "use chroot", "refuse options", "exclude", "exclude from", "filter", "munge symlinks",
        "max connections", "daemon chroot", "daemon uid", "daemon gid", "proxy protocol hosts", "incoming chmod",
        "outgoing chmod", "include from", "include", "list",
    }
)  # fmt: skip


def _table() -> dict[bytes, Parameter]:
    rows = [Parameter(name, kind, True, default) for name, kind, default in _DAEMON]
    rows += [Parameter(name, kind, False, default, name in _SHELL) for name, kind, default in _MODULE]
    return {key(row.name.encode()): row for row in rows}


PARAMETERS: dict[bytes, Parameter] = _table()
_PLANNED = {key(name.encode()): name for name in PLANNED}


def planned(name: bytes) -> str | None:
    """The name of what there is not yet, as it is written in documents; None for any other."""
    return _PLANNED.get(key(name))


def distance(a: bytes, b: bytes, limit: int) -> int:
    """Edit distance of two names (insert, delete, replace or swap neighbours), or ``limit + 1`` when it is more."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before: list[int] = []
    previous: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, previous, row = previous, row, [i]
        for j, y in enumerate(b, 1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
    return min(row[-1], limit + 1)


def nearest(name: bytes, limit: int = 2) -> str | None:
    """The known parameter that ``name`` is most likely a misspelling of."""
    best, best_distance = None, limit + 1
    wanted = key(name)
    for known, row in PARAMETERS.items():
        d = distance(wanted, known, limit)
        # Short names are near to everything: ask for more likeness there.
        if d < best_distance and d < max(1, len(known) // 2):
            best, best_distance = row.name, d
    return best
