"""Make the seeds of the fuzz targets (fuzz/seeds): streams recorded from the real rsync, and small texts by hand.

Run it when a target's choices (the first bytes of its input) change: `.venv/bin/python tools/fuzz_seeds.py`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tain import _core

SEEDS = Path(__file__).resolve().parent.parent / "fuzz" / "seeds"
#: Longer seeds only slow the targets down.
LIMIT = 3000

RELAY = """
import os, subprocess, sys, threading
child = subprocess.Popen(sys.argv[3:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def copy(source, target, kept):
    with open(kept, "wb", buffering=0) as file:
        while data := os.read(source, 65536):
            file.write(data)
            os.write(target, data)
def heard():
    copy(0, child.stdin.fileno(), sys.argv[1] + ".client")
    child.stdin.close()
threading.Thread(target=heard, daemon=True).start()
copy(child.stdout.fileno(), 1, sys.argv[1] + ".server")
os._exit(child.wait())
"""

# ---------------------------------------------------------------------------------------------- recording


def make_trees(work: Path) -> None:
    """The trees of the session target, so that indices and names fit."""
    for name in ("src", "dst"):
        (work / name / "d").mkdir(parents=True)
        (work / name / "d/b").write_bytes(b"block " * 300 + os.fsencode(work / name))
    (work / "src/a").write_bytes(b"hello\n")
    (work / "dst/old").write_bytes(b"old")
    # The quick check must find a difference.
    os.utime(work / "dst/d/b", (1, 1))


class Recorded:
    """The two directions of a run, behind the handshake."""

    def __init__(self, client: bytes, server: bytes, protocol: int, options: tuple[str, ...]) -> None:
        self.protocol = protocol
        self.client = client[4:]
        at = 4
        if protocol >= 30:
            flags, at = varint(server, at)
            if flags & 0x80:
                # What is named by an option is not negotiated.
                named = any("--checksum-choice" in option for option in options)
                for _ in range(not named):
                    self.client = self.client[1 + self.client[0] :]
                    at += 1 + server[at]
        self.server = server[at + 4 :]

    def frames(self, who: str) -> bytes:
        return self.server if who == "server" else self.client

    def data(self, who: str) -> bytes:
        raw = self.frames(who)
        if who == "client" and self.protocol < 30:
            return raw
        out, at = bytearray(), 0
        while at + 4 <= len(raw):
            head = int.from_bytes(raw[at : at + 4], "little")
            if head >> 24 == 7:
                out += raw[at + 4 : at + 4 + (head & 0xFFFFFF)]
            at += 4 + (head & 0xFFFFFF)
        return bytes(out)


def varint(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    extra = 8 - (~first & 0xFF).bit_length()
    rest = data[at + 1 : at + 1 + extra] + bytes([first & (0xFF >> (extra + 1))])
    return int.from_bytes(rest, "little"), at + 1 + extra


def record(work: Path, protocol: int, way: str, *options: str) -> Recorded:
    for name in ("src", "dst"):
        shutil.rmtree(work / name, ignore_errors=True)
    make_trees(work)
    relay = work / "relay.py"
    relay.write_text(RELAY)
    ends = ["src/", f"h:{work}/dst/"] if way == "push" else [f"h:{work}/src/", "dst/"]
    shell = f"{sys.executable} {relay} {work}/said"
    command = ["rsync", f"--protocol={protocol}", "--checksum-seed=77", "-e", shell, *options, *ends]
    subprocess.run(command, cwd=work, check=True, stdout=subprocess.DEVNULL)
    said = [(work / f"said.{who}").read_bytes() for who in ("client", "server")]
    return Recorded(*said, protocol, options)


# ---------------------------------------------------------------------------------------------- writing


def keep(target: str, name: str, data: bytes) -> None:
    directory = SEEDS / target
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_bytes(data[:LIMIT])


def word(*bits: int) -> bytes:
    return sum(1 << bit for bit in bits).to_bytes(4, "little")


def short(data: bytes) -> bytes:
    return bytes([len(data)]) + data


# Bits of `flist_options` in fuzz/src/lib.rs for -r and -a.
_ARCHIVE = (4, 6, 7, 8, 9, 10)


def streams(work: Path) -> None:
    (work / "many").mkdir()
    # A pull by rsync hangs at protocols 20 to 22.
    for protocol in range(23, 33):
        number = bytes([protocol - 20])
        new = (1, 2, 3) if protocol >= 30 else ()
        for inc in (False, True) if protocol >= 30 else (False,):
            option = "--inc-recursive" if inc else "--no-inc-recursive"
            kind = f"{protocol}{'i' if inc else ''}"
            pull = record(work, protocol, "pull", "-a", option)
            push = record(work, protocol, "push", "-a", option)
            first = (0,) if inc else ()
            keep("flist", f"pull-{kind}", number + word(*first, *new, *_ARCHIVE) + b"\0" + pull.data("server"))
            sums = b"\6" if protocol >= 30 else b"\2" if protocol >= 27 else b"\x08"
            keep("requests", f"push-{kind}", number + sums + b"\1" + push.data("server"))
            # Bits of the session target: 0 sends, 1 server, 2 many lists, 3 and 4 what was agreed on, then -a.
            base = (*((2,) if inc else ()), *((3, 4) if protocol >= 30 else ()), 5, 7, 8, 9, 10, 11, 12)
            for name, run, who, bits in (
                ("pull-client", pull, "server", ()),
                ("push-server", push, "client", (1,)),
                ("push-client", push, "server", (0,)),
            ):
                keep("session", f"{name}-{kind}", number + word(*bits, *base) + b"\0\0" + run.frames(who))
            if protocol < 30:
                # The list of rules, which is read before the transfer, is empty here: four bytes.
                keep("session", f"pull-server-{kind}", number + word(0, 1, *base) + b"\0\0" + pull.client[4:])
            program = short(bytes([8, 200, 0, 1, 2, 3, 4, 6] * 8))
            keep("frames", f"pull-{kind}", b"\3" + number + program + pull.frames("server"))
            if protocol >= 30:
                keep("frames", f"push-{kind}", b"\2" + number + program + push.frames("client"))
    more = record(work, 32, "pull", "-aHAXUc", "--checksum-choice=md5", "--no-inc-recursive")
    keep("flist", "all-32", b"\x0c" + word(1, 2, 3, *_ARCHIVE, 11, 12, 14, 15) + b"\x10" + more.data("server"))
    for number, codec in enumerate(("zlib", "zlibx", "zstd", "lz4"), start=1):
        run = record(work, 31, "pull", "-a", "--no-inc-recursive", "-z", f"--compress-choice={codec}")
        bits = word(3, 4, 5, 7, 8, 9, 10, 11, 12)
        keep("session", f"pull-client-{codec}", b"\x0b" + bits + bytes([number, 0]) + run.frames("server"))
    tokens(work)
    batches(work)


def tokens(work: Path) -> None:
    """The part of a stream between the sum head of its one file and the end."""
    for number, codec in enumerate(("none", "zlib", "zlibx", "zstd", "lz4")):
        for kind in ("new", "delta"):
            for name in ("src", "dst"):
                shutil.rmtree(work / name, ignore_errors=True)
                (work / name).mkdir()
            text = b"".join(b"line %d of a text\n" % n for n in range(130))
            (work / "src/f").write_bytes(text + b"the end\n")
            if kind == "delta":
                (work / "dst/f").write_bytes(text)
                os.utime(work / "dst/f", (1, 1))
            (work / "relay.py").write_text(RELAY)
            compress = ["-z", f"--compress-choice={codec}"] if number else []
            shell = f"{sys.executable} {work}/relay.py {work}/said"
            options = ["-t", "--protocol=31", "--checksum-choice=md5", "-B700", "--no-whole-file", *compress]
            command = ["rsync", *options, "-e", shell, f"h:{work}/src/f", f"{work}/dst/"]
            subprocess.run(command, check=True)
            said = [(work / f"said.{who}").read_bytes() for who in ("client", "server")]
            data = Recorded(*said, 31, tuple(options)).data("server")
            count = 4 if kind == "delta" else 0
            head = count.to_bytes(4, "little") + (700 if count else 0).to_bytes(4, "little")
            at = data.find(head, 10)
            if at < 0:
                raise SystemExit(f"no sum head of {codec} {kind} in {data!r}")
            keep("tokens", f"{codec}-{kind}", bytes([number, 4, count, 0, 100]) + data[at + 16 :])


def batches(work: Path) -> None:
    for protocol in (28, 29, 30, 32):
        for name in ("src", "dst"):
            shutil.rmtree(work / name, ignore_errors=True)
        make_trees(work)
        command = ["rsync", "-a", f"--protocol={protocol}", "--no-whole-file", "--write-batch=batch", "src/", "dst/"]
        subprocess.run(command, cwd=work, check=True)
        data = (work / "batch").read_bytes()
        at = 8
        inc: tuple[int, ...] = ()
        if protocol >= 30:
            flags, at = varint(data, at)
            inc = (2,) if flags & 1 else ()
        bits = word(*inc, *((3, 4) if protocol >= 30 else ()), 5, 7, 8, 9, 10, 11, 12)
        keep("session", f"batch-{protocol}", bytes([protocol - 20]) + bits + b"\0\xc0" + data[at + 4 :])


def texts() -> None:
    for number, text in enumerate(
        ("- *.o", "+ /a/**/b", "-! */", "- [[:alpha:]x-z]?", "P *.keep", "R **", "-s,p x/", "show foo", "!", "-C")
    ):
        keep("rules", f"filter-{number}", b"\x0c\0\0\3x.o\0" + short(text.encode()))
    keep(
        "rules",
        "merge",
        b"\x0c\0" + short(b"- *.bak\n+ keep\n!\n. other\n") + short(b"d/e/x.bak") + b"\0\x0b: .filter_n",
    )
    keep(
        "rules",
        "options",
        b"\x0c\7" + short(b"*.tmp *.o") + short(b"- a\n") + short(b"x.o") + b"\1\3*.a\2\1b\5\0\6\0\3\1f",
    )
    keep("rules", "daemon", b"\x0c\0\0\3a/b\7\x0f- a.o  + b\t-_c x\x08\x09a + b - c\x09\5a ! b")
    wire = b"".join(len(rule).to_bytes(4, "little") + rule for rule in (b"- *.o", b"+ a/", b"-pr x", b":n- .f"))
    for protocol in (27, 28, 29, 30, 32):
        keep("rules", f"wire-{protocol}", bytes([protocol - 20, 8]) + b"\0\3x.o" + wire + b"\0\0\0\0")
    for number, (pattern, name) in enumerate(
        (
            (b"*.[ch]", b"foo.c"),
            (b"a/**/z", b"a/b/c/z"),
            (b"/foo/*/bar/***", b"foo/x/bar/y"),
            (b"[[:upper:]-]?\\*", b"A-*"),
            (b"[^a-c!]*", b"dog"),
            (b"*a*a*a*a*b", b"a" * 60),
            (b"\\[x\\]", b"[x]"),
        )
    ):
        keep("wildmatch", str(number), bytes([number, len(pattern), 0]) + pattern + name)
    number8 = b"\xa4\x81\0\0\x00\xf1\x53\x65"
    for name, what, first, second in (
        ("chmod", 0, b"", b"Du+x,Fgo-w,a=rX,u+s,o=u,4755,D2750"),
        ("map", 1, b"0-99:alice,r*:5,[a-c]ob:bob,*:7", b"staff:0"),
        ("format", 2, b"%i %n%L %-10l %'''b %M %B %C %U:%G %p %o %f%%", b"dir/file"),
        ("latin1", 3, b"iso-8859-1", b"caf\xe9"),
        ("sjis", 3, b"shift_jis", b"\x83\x65\x83\x58\x83\x67"),
        ("screen", 4, b"", b"a\tb\x1b[31m\xc3\xa4\xff\\#012\r\n"),
    ):
        keep("texts", name, bytes([what]) + number8 + short(first) + second)
    keep("blobs", "acl", b"\0\x1f\x07\x05\x07\x05\x01\x01\x1f\x06daemon\x12\x04\x02\x01\x1a\x02\x11\x03bin")
    keep("blobs", "xattrs", b"\1\2\7\3user.a\0abc\7\x28user.b\0" + b"m" * 16 + b"\2\0\2\x28" + b"v" * 40 + b"\0")
    kernel = b"\2\0\0\0" + b"".join(
        tag.to_bytes(2, "little") + perms.to_bytes(2, "little") + owner.to_bytes(4, "little")
        for tag, perms, owner in (
            (1, 6, 0xFFFFFFFF),
            (2, 4, 1001),
            (4, 4, 0xFFFFFFFF),
            (8, 5, 50),
            (16, 6, 0xFFFFFFFF),
            (32, 4, 0xFFFFFFFF),
        )
    )
    keep("blobs", "kernel", b"\2" + kernel)
    fake = b"".join(n.to_bytes(4, "little") for n in (6, 4, 0x80, 4, 1001, 0x80000006, 50, 5))
    keep("blobs", "fake", b"\3" + fake)
    keep("blobs", "stat", b"\4100644 8,1 1001:50")
    old, new = b"0123456789" * 20, b"0123456789" * 10 + b"new" + b"0123456789" * 10
    signature = _core.signature(old, block_size=64)
    keep("patch", "there", b"\2\x40" + short(old) + new)
    keep("patch", "delta", b"\1\x40" + short(new) + signature)
    keep("patch", "patch", b"\0\x40" + short(old) + _core.delta(new, signature))


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="seeds") as directory:
        shutil.rmtree(SEEDS, ignore_errors=True)
        streams(Path(directory))
        texts()


main()
