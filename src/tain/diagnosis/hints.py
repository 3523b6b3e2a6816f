"""Hints about a failure: its likely cause, how to check it, how to fix it (spec: daemon 16.3).

Hints are for people: they are the last lines on standard error, only on a terminal or with ``--hints``, never with
``-q``. Output that scripts read does not change. Each hint has a fixed id.
"""

from __future__ import annotations

import re

from tain.escape import restore
from tain.problems import Hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: The most hints of a run; nobody reads more.
MOST = 3
#: Longer lines match no hint.
_LINE = 1000

#: The code of a remote shell that failed.
_SHELL_FAILED = r"error \(code 255\)"
#: The other side had answered before the connection broke, so the login was good.
_BROKE = r"connection unexpectedly closed \([1-9]\d* bytes received so far\)"

#: (id, pattern of a line, cause, check, fix), the most specific pattern first. In the texts, ``{0}`` and ``{1}`` are
#: groups of the match, ``{host}`` and ``{port}`` those of the run.
_CATALOGUE: tuple[tuple[str, str, str, str, str], ...] = (
    (
        "D11",
        r"No space left on device \(28\)|Disk quota exceeded \(122\)",
        "the file system, its inodes or the quota at the destination is used up; a new copy of a file needs room "
        "beside the old one",
        "df -h; df -i; quota",
        "free some space, or use --inplace, --temp-dir on another disk, or --delete-before",
    ),
    (
        "D2",
        r"Connection refused \(111\)",
        "nothing listens there: the daemon is not running, uses another port or only a local address, or a firewall "
        "rejects the connection",
        "on {host}: ss -ltnp 'sport = :{port}'; with xinetd: grep disable /etc/xinetd.d/rsync",
        "start the service (reload xinetd or inetd after a change), give the right --port, or open TCP {port}",
    ),
    (
        "D3",
        r"Connection timed out \(110\)|No route to host \(113\)|Network is unreachable \(101\)"
        r"|timeout waiting for daemon connection",
        "the host does not answer: a firewall drops the connection, the address is mistyped, or the host is down",
        "ping {host}; traceroute -T -p {port} {host}; getent hosts {host}",
        "correct the address, open TCP {port} in the firewall, or go by ssh (-e ssh)",
    ),
    (
        "D32",
        r"getaddrinfo: (\S+) .*|Could not resolve hostname ([^\s:]+)",
        "the name of the host is unknown here: mistyped, or the name service does not answer",
        "getent hosts {host}; cat /etc/resolv.conf",
        "correct the name, use the address, or add it to /etc/hosts",
    ),
    (
        "D33",
        r"Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED",
        "ssh does not know the host's key, or the key is another one than before",
        "ssh-keygen -F {host}; compare with the key from the administrator of {host}",
        "connect once by hand (ssh {host}) and accept the key; if the host was reinstalled: ssh-keygen -R {host}",
    ),
    (
        "D9",
        r"Permission denied \((?:publickey|password|keyboard|gssapi|hostbased)[^)]*\)|Too many authentication failures",
        "the remote shell refuses the login: the account, key or password is wrong",
        "ssh {host} true",
        "create the account, or install the key with ssh-copy-id {host}",
    ),
    (
        "D9b",
        r"ssh: connect to host \S+ port \d+: |kex_exchange_identification: "
        r"|Connection (?:closed|reset) by \S+ port \d+",
        "no ssh server answers: sshd is not running, uses another port, or a firewall is in between",
        "ssh -v {host} true; on {host}: systemctl status ssh",
        "start sshd, open its port, or name another one: -e 'ssh -p PORT'",
    ),
    (
        "D9",
        _SHELL_FAILED,
        "the remote shell failed: no ssh server answers, or the account, key or password is wrong",
        "ssh {host} true",
        "start sshd, create the account, or install the key with ssh-copy-id {host}",
    ),
    (
        "D10",
        r"command not found|remote command not found \(code 127\)|rsync: not found",
        "the program is not installed on {host}, or is not in the PATH of a shell without login",
        "ssh {host} 'command -v rsync tain'",
        "install it there, or name it: --rsync-path=/path/of/rsync",
    ),
    (
        "D27",
        r"is your shell clean\?",
        "the shell on {host} prints something of its own (a greeting, an echo in .bashrc), or an old program answers",
        "ssh {host} true | od -c | head",
        "let start-up files be silent where there is no terminal",
    ),
    (
        "D28",
        r"protocol incompatibility \(code 2\)",
        "the two programs have no protocol in common, or something on the way changes the stream",
        "rsync --version here and on {host}",
        "update the older one, or try --protocol=29",
    ),
    (
        "D4",
        r'server sent "([^"]*)" rather than greeting',
        "another service answers on that port, or a wrapper (hosts.allow, hosts.deny) has turned us away",
        "telnet {host} {port} should show @RSYNCD:; on {host}: /etc/hosts.allow, /etc/hosts.deny and the system log",
        "allow rsync in hosts.allow, give the right --port, or add --daemon to the line of inetd",
    ),
    (
        "D5",
        r"did not see server greeting|didn't get server startup line",
        "the daemon ends before it greets: there is no /etc/rsyncd.conf (or it has another name or a mistake), or a "
        "wrapper or firewall resets the connection",
        "on {host}: the daemon's log; tain --daemon --check-config",
        "create or repair rsyncd.conf, or open the filter",
    ),
    (
        "D6",
        r"@ERROR: (chroot|chdir) failed",
        "the module's path does not exist, is misspelt or not mounted, or cannot be entered",
        "on {host}: namei -l PATH; the daemon's log gives the reason",
        "correct the path, mount it, give o+x on what is above it, or use chroot = no",
    ),
    (
        "D8",
        r"@ERROR: access denied to .* from UNKNOWN \(([^)]*)\)",
        "hosts allow has names, and the address {0} has none",
        "on {host}: getent hosts {0}",
        "add the address or its network to hosts allow, use auth users, or go by ssh",
    ),
    (
        "D8b",
        r"@ERROR: access denied to (\S+) from (?!UNKNOWN )(\S+) \(([^)]*)\)",
        "hosts allow does not have this host, or hosts deny has it",
        "the daemon sees this host as {1} ({2})",
        "add {2} or its network to hosts allow of the module {0}",
    ),
    (
        "D12",
        r"@ERROR: auth failed on module (\S+)",
        "the password is wrong, the user is not in auth users, or the secrets file is missing or readable by others",
        "the daemon's log has the reason; ls -l of its secrets file",
        "correct the entry USER:PASSWORD; chmod 600 and chown root the secrets file",
    ),
    (
        "D29",
        r"password file must (?:not be other-accessible|be owned by root)",
        "the file of --password-file may be read by others",
        "ls -l of the file",
        "chmod 600 (and chown root, when root runs this)",
    ),
    (
        "D13",
        r"ERROR: module is (read|write) only",
        "the module allows one direction only (a module is read only unless its section says otherwise)",
        "the section of the module in rsyncd.conf",
        "read only = no (or write only = no) there",
    ),
    (
        "D14",
        r"@ERROR: max connections \((-?\d+)\) reached",
        "so many clients are connected already; dead ones count where no timeout is set",
        "on {host}: ss -tn 'sport = :{port}'",
        "try later; raise max connections; set timeout in rsyncd.conf",
    ),
    (
        "D15",
        r"@ERROR: invalid (uid|gid) (\S+)",
        "there is no account of that name on {host}",
        "on {host}: getent passwd {1}; getent group {1}",
        "create it or give the number (some systems have nogroup, others nobody)",
    ),
    (
        "D16",
        r"@ERROR: (setuid|setgid|setgroups|initgroups) failed",
        "the daemon may not change its identity: it was not started as root",
        "on {host}: the service's user and capabilities",
        "start it as root, or remove uid and gid from the module",
    ),
    (
        "D17",
        r"@ERROR: Unknown module '([^']*)'",
        "no module has exactly that name, or it is hidden from this host",
        "rsync {host}::",
        "write the name as it is listed, or ask the administrator",
    ),
    (
        "D18",
        r"The server is configured to refuse (--\S+)",
        "the module's refuse options forbid {0}",
        "refuse options in rsyncd.conf",
        "leave the option out, or undo it where -a brings it along (--no-...)",
    ),
    (
        "D20",
        r"io timeout after (\d+) seconds|timeout in data send/receive \(code 30\)",
        "nothing moved for that long: a slow disk or scan at the other side, or a stalled network",
        "the load of {host}; the network",
        "raise --timeout here and timeout in rsyncd.conf",
    ),
    (
        "D19",
        _BROKE,
        "the connection broke in the middle: the network was cut, or the other side was killed, out of memory or disk",
        "the first error above; the log of {host} at this time",
        "run it again with --partial to go on where it stopped",
    ),
    (
        "D5",
        r"connection unexpectedly closed \(0 bytes received so far\)|read error: Connection reset by peer \(104\)",
        "the peer ended without a message: the program could not start there, or something rejected the connection",
        "ssh {host} rsync --version; for a daemon: its log, rsyncd.conf and hosts.allow",
        "repair what the log names",
    ),
    (
        "D7",
        r"skipping directory |nothing to do",
        "directories are passed over without -r",
        "rsync --list-only on the same source",
        "add -a (or -r)",
    ),
    (
        "D23",
        r"cannot convert filename",
        "names are in another character set than assumed",
        "locale; ls | iconv -f cp949",
        "--iconv=utf-8,cp949 (local, remote), or charset = cp949 in the daemon's module",
    ),
    (
        "D30",
        r"Permission denied \(13\)|Operation not permitted \(1\)",
        "the user that does this may not read, or not write or change, what is named",
        "id; namei -l of the name above",
        "run it as the owner or root; without root leave owners out (--no-o --no-g)",
    ),
    (
        "D34",
        r"daemon security issue -- contact admin",
        "the server has shut this module: a misspelt access line in its configuration, or one that it can't honour",
        "on {host}: tain --daemon --check-config, and the daemon's log",
        "its administrator corrects that line",
    ),
    (
        "D31",
        r'mkdir "([^"]*)" failed: No such file or directory \(2\)',
        "the directory in which it should be made does not exist",
        "ls -ld of what is above {0}",
        "correct the path, or let --mkpath create what is missing",
    ),
    (
        "D31",
        r'(?:link_stat|change_dir|change_dir#\d) "?([^"]*)"? .*failed: No such file or directory \(2\)',
        "there is no such name: mistyped, not mounted, or relative to another directory than meant",
        "ls -ld of the name; a path after HOST: begins in the home directory, after HOST:: with a module",
        "correct the path; --mkpath creates a missing destination",
    ),
)


#: Dashes that word processors and web pages use for one or two hyphens.
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015"
#: The most letters in which a mistyped word may differ.
_FAR = 2


def _distance(one: str, other: str) -> int:
    """The number of letters to change, add, remove or swap with the next one."""
    above: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        last, above, row = above, row, [i]
        for j, meant in enumerate(other, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != meant))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == meant:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


def _nearest(word: str, known: Iterable[str]) -> tuple[str, int] | None:
    """The most similar known word and the number of letters that differ; short words allow fewer."""
    far = min(_FAR, len(word) // 3)
    found = min(((_distance(word, name), name) for name in known if abs(len(name) - len(word)) <= far), default=None)
    return None if found is None or found[0] > far else (found[1], found[0])


def _suggestion(line: str) -> tuple[str, int] | None:
    """A known option similar to the unknown one in *line*, and the number of letters that differ."""
    from tain.options.levels import DEBUG, INFO
    from tain.options.table import ROWS

    names = {name for row in ROWS for name in row.longs}
    match = re.search(rf'link_stat "(?:[^"]*/)?[{_DASHES}]([\w-]+)" failed', line)
    if match is not None:
        return ("--" if match[1] in names else "-") + match[1], 0
    match = re.match(rf"rsync: -*[{_DASHES}-]-*([\w-]+)(?:=.*)?: unknown option", line)
    if match is not None:
        word = match[1]
        if word in names:
            # A long dash, or a hyphen too many or too few.
            return f"--{word}", 0
        meant = _nearest(word, names) if line.startswith("rsync: --") else None
        return None if meant is None else (f"--{meant[0]}", meant[1])
    match = re.match(r'Unknown --(info|debug) item: "(\w+)"', line)
    if match is not None:
        meant = _nearest(match[2].upper(), INFO if match[1] == "info" else DEBUG)
        return None if meant is None else (f"--{match[1]}={meant[0].lower()}", meant[1])
    return None


def _unescaped(line: str) -> str:
    """*line* with its escaped bytes read as UTF-8."""
    return restore(line.encode("utf-8", "replace")).decode("utf-8", "replace")


def _typing_error(lines: Iterable[str]) -> Hint | None:
    """The hint for a mistyped option (spec: daemon 16.3)."""
    for line in lines:
        meant = _suggestion(_unescaped(line))
        if meant is not None:
            word, count = meant
            cause = (
                f"{count} letter{' differs' if count == 1 else 's differ'}"
                if count
                else "a long dash was pasted, or a hyphen is too many"
            )
            return Hint(id="D47", cause=f"did you mean {word}?", check=cause, fix="write it so")
    return None


def is_consequence(ident: str, pattern: str) -> bool:
    """A broken stream, or the code of a shell, which says nothing when another cause is known."""
    return ident in ("D5", "D19") or pattern == _SHELL_FAILED


def find(lines: Iterable[str], *, host: str | None = None, port: int = 873) -> list[Hint]:
    """The hints for lines of standard error, in the order of the catalogue. *host* and *port* are those of the run."""
    known = [line for line in lines if len(line) <= _LINE]
    typing_error = _typing_error(known)
    if typing_error is not None:
        # Further errors follow from the mistyped option.
        return [typing_error]
    found: list[Hint] = []
    seen: set[str] = set()
    broke = any(re.search(_BROKE, line) for line in known)
    for ident, pattern, cause, check, fix in sorted(_CATALOGUE, key=lambda row: is_consequence(row[0], row[1])):
        if ident in seen or len(found) == MOST or (found and is_consequence(ident, pattern)):
            continue
        if broke and (ident == "D9b" or pattern == _SHELL_FAILED):
            # ssh ends with the same words and code when a connection breaks.
            continue
        for line in known:
            match = re.search(pattern, line)
            if match is None:
                continue
            groups = [group or "" for group in match.groups()]
            named = next((group for group in groups if group), None) if ident == "D32" else None
            values = {"host": host or named or "the other host", "port": port}
            text = [part.format(*groups, **values) for part in (cause, check, fix)]
            found.append(Hint(id=ident, cause=text[0], check=text[1], fix=text[2]))
            seen.add(ident)
            break
    return found


def in_errors(errors: bytes, *, host: bytes | None, port: int) -> list[Hint]:
    """The hints for *errors*, the text of standard error."""
    name = None if host is None else host.decode("utf-8", "replace")
    return find(errors.decode("utf-8", "replace").splitlines(), host=name, port=port)


def write(found: Iterable[Hint], write: Callable[[bytes], None]) -> None:
    """Write one line for each hint."""
    for hint in found:
        line = f"hint[{hint.id}]: {hint.cause}; check: {hint.check}; fix: {hint.fix}"
        # A line of the peer must not control the terminal.
        write("".join(c if c.isprintable() else "?" for c in line).encode() + b"\n")
