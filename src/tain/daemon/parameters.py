"""The parameters of a daemon's configuration file: one row each (spec: daemon 3).

Parameter names are compared without case and blanks: look a row up by :func:`key`. Each live row has a reader, which is
mostly a property of `tain.daemon.module_view.ModuleView`. To add a parameter: a row here, and its reader.
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


#: What a row says about its parameter. A reserved name has no effect yet. A protective one is reserved, and an operator
#: who sets it relies on a protection that does not exist: its module is not served.
LIVE, RESERVED, PROTECTIVE = "live", "reserved", "protective"


class Parameter:
    """One row of the table."""

    __slots__ = ("default", "doc", "kind", "name", "of_daemon", "state", "unit")

    def __init__(
        self, name: str, kind: str, default: Value, *, unit: str = "", doc: str = "", state: str = LIVE
    ) -> None:
        #: As written in documents.
        self.name = name
        self.kind = kind
        self.default = default
        #: The unit of a number.
        self.unit = unit
        #: The meaning of a parameter that rsync does not have; docs/daemon.md has the same text.
        self.doc = doc
        self.state = state
        #: The parameter belongs to the whole daemon, not to a module.
        self.of_daemon = False


def key(name: bytes) -> bytes:
    """The form in which names of parameters and sections are compared: lower case, no blanks."""
    return bytes(name).translate(None, b" \t\n\r\v\f").lower()


_live = Parameter


def _reserved(name: str, *, protects: bool) -> Parameter:
    return Parameter(name, STRING, None, state=PROTECTIVE if protects else RESERVED)


# One row stays on one line or two, whatever the formatter prefers.
# fmt: off
_DAEMON: tuple[Parameter, ...] = (
    _live("address", STRING, None),
    _live("port", INTEGER, 0, unit="port"),
    _live("listen backlog", INTEGER, 5, unit="connections"),
    _live("socket options", STRING, None),
    _live("motd file", STRING, None),
    _live("pid file", STRING, None),
    _live("daemon chroot", STRING, None),
    _live("daemon uid", STRING, None),
    _live("daemon gid", STRING, None),
    _live("proxy protocol", BOOLEAN, False),
    _live("proxy protocol hosts", STRING, None),
    _live("tain strict", BOOLEAN, False, doc="refuse what rsync tolerates: see Strict mode"),
    _live("tain oldest protocol", INTEGER, 20, unit="protocol", doc="the oldest protocol of a client that is served"),
    _live("tain detach wait", BOOLEAN, True, doc="the command returns only when the daemon listens"),
    _live("tain reload on hup", BOOLEAN, False,
          doc="SIGHUP reads the configuration again instead of ending the daemon"),
    _live("tain max workers", INTEGER, 512, unit="processes",
          doc="most connections at a time; without `tain strict` only if set"),
    _live("tain max per address", INTEGER, 20, unit="connections",
          doc="most connections at a time from one address or IPv6 /64; without `tain strict` only if set"),
    _live("tain rate limit", STRING, b"30/min", unit="connections per minute",
          doc="most new connections from one address or IPv6 /64; without `tain strict` only if set"),
    _live("tain name lookup timeout", INTEGER, 5, unit="seconds", doc="time limit of one name look-up"),
    _live("tain control socket", STRING, b"/run/tain/control.sock",
          doc="where `tain cache` asks a daemon with workers; empty: nowhere"),
    _live("tain cache socket", STRING, b"/run/tain/dircache.sock",
          doc="where jobs that write a module with `tain cache = told` announce it; empty: nowhere"),
    _live("tain allow unknown", STRING, None,
          doc="names of parameters, separated by commas, that refuse no module although they are unknown or reserved"),
)

_MODULE: tuple[Parameter, ...] = (
    _live("path", PATH, None),
    _live("comment", STRING, None),
    _live("list", BOOLEAN, True),
    _live("read only", BOOLEAN, True),
    _live("write only", BOOLEAN, False),
    _live("use chroot", BOOLEAN3, None),
    _live("uid", STRING, None),
    _live("gid", STRING, None),
    _live("max connections", INTEGER, 0, unit="connections"),
    _live("lock file", STRING, b"/var/run/rsyncd.lock"),
    _live("hosts allow", STRING, None),
    _live("hosts deny", STRING, None),
    _live("reverse lookup", BOOLEAN, True),
    _live("forward lookup", BOOLEAN, True),
    _live("auth users", STRING, None),
    _live("secrets file", STRING, None),
    _live("strict modes", BOOLEAN, True),
    _live("auth digest", STRING, None),
    _live("timeout", INTEGER, 0, unit="seconds"),
    _live("max verbosity", INTEGER, 1, unit="level"),
    _live("log file", STRING, None),
    _live("syslog facility", FACILITY, FACILITIES[b"daemon"]),
    _live("syslog tag", STRING, b"rsyncd"),
    _live("transfer logging", BOOLEAN, False),
    _live("log format", STRING, b"%o %h [%a] %m (%u) %f %l"),
    _live("filter", STRING, None),
    _live("include from", STRING, None),
    _live("include", STRING, None),
    _live("exclude from", STRING, None),
    _live("exclude", STRING, None),
    _live("incoming chmod", STRING, None),
    _live("outgoing chmod", STRING, None),
    _live("refuse options", STRING, None),
    _live("dont compress", STRING, DEFAULT_DONT_COMPRESS),
    _live("charset", STRING, None),
    _live("temp dir", PATH, None),
    _live("munge symlinks", BOOLEAN3, None),
    _live("insecure links", BOOLEAN, False),
    _live("numeric ids", BOOLEAN3, None),
    _live("name converter", STRING, None),
    _live("fake super", BOOLEAN, False),
    _live("open noatime", BOOLEAN3, None),
    _live("ignore errors", BOOLEAN, False),
    _live("ignore nonreadable", BOOLEAN, False),
    _live("early exec", STRING, None),
    _live("pre-xfer exec", STRING, None),
    _live("post-xfer exec", STRING, None),
    _live("name", STRING, None),
    _live("tain hook timeout", INTEGER, 0, unit="seconds",
          doc="time limit of a hook; 0: 300 with `tain strict`, else none"),
    _live("tain hook argv", BOOLEAN, False, doc="run hooks without a shell: the command is split at blanks"),
    _live("tain list reachable only", BOOLEAN, False,
          doc="the list of modules shows only those that the client's host may use"),
    _live("tain allow root uid", BOOLEAN, False, doc="a variable in `uid` may name root"),
    _live("tain workers", BOOLEAN, False,
          doc="connections that only read share a process per module: see Workers"),
    _live("tain worker connections", INTEGER, 10000, unit="connections",
          doc="a worker is replaced after so many; 0: never"),
    _live("tain worker memory", STRING, b"1G", doc="a worker is replaced when it holds more"),
    _live("tain worker idle", INTEGER, 600, unit="seconds", doc="a worker without a connection ends after this time"),
    _live("tain cache", STRING, b"off",
          doc="lists of directories in a worker's memory: `off`, `ttl`, `watch`, `watch!`, `told`, `watch told`; see "
              "Lists from memory"),
    _live("tain cache max age", INTEGER, 5, unit="seconds", doc="how long `tain cache = ttl` trusts what it has read"),
    _live("tain cache verify", INTEGER, 3600, unit="seconds",
          doc="the time in which `tain cache = watch` compares each directory with the disk once; 0: never"),
    _live("tain cache memory", STRING, b"256M", doc="most memory for the lists of a module"),
    _live("tain status", BOOLEAN, False, doc="`tain cache metrics --public` shows the module"),
)

_RESERVED: tuple[Parameter, ...] = (
    _reserved("tain sandbox", protects=True),
    _reserved("tain security log", protects=False),
    _reserved("tain max pending", protects=True),
    _reserved("tain memory", protects=True),
    _reserved("tain tls port", protects=False),
    _reserved("tain tls certificate", protects=True),
    _reserved("tain tls key", protects=True),
    _reserved("tain tls client ca", protects=True),
    _reserved("tain tls crl", protects=True),
    _reserved("tain tls required", protects=True),
    _reserved("tain tls user", protects=True),
    _reserved("tain max upload bytes", protects=True),
    _reserved("tain max upload files", protects=True),
    _reserved("tain min free space", protects=True),
    _reserved("tain bwlimit", protects=False),
    _reserved("tain nice", protects=False),
    _reserved("tain ionice", protects=False),
    _reserved("tain trust sender", protects=False),
    _reserved("tain unsafe metadata", protects=False),
)
# fmt: on

#: Values of a protective parameter that ask for no protection.
OFF = frozenset({b"", b"no", b"false", b"0", b"off", b"none", b"unset", b"-1", b"auto"})

# A misspelt one of these would open what was meant to be closed (spec: security SEC-42).
ACCESS_CONTROL = frozenset(
    {
        "hosts allow", "hosts deny", "auth users", "secrets file", "strict modes", "auth digest", "read only",
        "write only", "use chroot", "refuse options", "exclude", "exclude from", "filter", "munge symlinks",
        "max connections", "daemon chroot", "daemon uid", "daemon gid", "proxy protocol hosts", "incoming chmod",
        "outgoing chmod", "include from", "include", "list",
    }
)  # fmt: skip


def _by_key(rows: tuple[Parameter, ...]) -> dict[bytes, Parameter]:
    return {key(row.name.encode()): row for row in rows}


for _row in _DAEMON:
    _row.of_daemon = True

#: The parameters that have an effect.
PARAMETERS: dict[bytes, Parameter] = _by_key(_DAEMON + _MODULE)
#: The names that are kept for parameters to come.
RESERVED_NAMES: dict[bytes, Parameter] = _by_key(_RESERVED)


def distance(a: bytes, b: bytes, limit: int) -> int:
    """The number of edits (insert, delete, replace, swap neighbours) from *a* to *b*, at most ``limit + 1``."""
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
        # Short names are near to everything, so they must be more alike.
        if d < best_distance and d < max(1, len(known) // 2):
            best, best_distance = row.name, d
    return best
