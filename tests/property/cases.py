"""A case: a tree and a command line made from one number."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.parity.harness import Row
from tests.parity.tree import Dir, Entry, File, Hard, Link
from tests.property.trees import Maker, join, mutate, pattern, placed

Group = list[bytes]
"""Words that belong together: an option with its argument."""


@dataclass
class Case:
    """What one seed makes. The lists are what a reduction takes apart."""

    seed: int
    entries: list[Entry] = field(default_factory=list)
    options: list[Group] = field(default_factory=list)
    sources: list[bytes] = field(default_factory=list)
    dest: list[bytes] = field(default_factory=list)
    via: str = "local"
    far: bool | None = None
    """Over a link: None for the same program at both ends, True for rsync at the far end only, False for tain there."""
    user: bool = False
    again: bool = False
    """Run twice; the second run has nothing, or next to nothing, to do."""

    def words(self) -> list[bytes]:
        return [word for group in self.options for word in group] + self.sources + self.dest

    def row(self) -> Row:
        words = self.words()
        return Row(
            f"property-{self.seed}",
            list(self.entries),
            words,
            then=[words] if self.again else [],  # type: ignore[list-item]
            via=self.via,
            user=self.user,
            conf="read only = no",
        )


@dataclass
class Choices:
    """The state that option makers draw from."""

    rng: random.Random
    case: Case
    names: list[bytes]
    """Paths of the source, relative to its top."""
    source: dict[bytes, Entry]
    there: bytes
    """How the receiving side reaches the working directory: absolute, or as seen from the module."""

    def any_name(self) -> bytes:
        return self.rng.choice(self.names) if self.names else b"a"


def alt(option: bytes) -> Callable[[Choices], list[Group]]:
    def made(c: Choices) -> list[Group]:
        found: list[Group] = []
        for name in c.rng.choice([["alt"], ["alt"], ["alt", "alt2"], ["alt2", "alt"], ["alt", "noalt"]]):
            tree = mutate(c.rng, c.source, c.case.user, 0.7)
            if not name.startswith("no") and not any(
                os.fsencode(e.path).split(b"/")[0] == name.encode() for e in c.case.entries
            ):
                c.case.entries += [Dir(name.encode()), *placed(tree, name.encode())]
            where = b"../" if c.rng.random() < 0.7 else c.there
            found.append([b"--" + option + b"-dest=" + where + name.encode()])
        return found

    return made


def rule(c: Choices) -> bytes:
    rng = c.rng
    chance = rng.random()
    if chance < 0.12:
        return rng.choice(
            [
                b": .rsync-filter",
                b":C",
                b":n .ex",
                b":e .ex",
                b":- .cvsignore",
                b":w- .cvsignore",
                b":+ .ex",
                b":es .ex",
            ]
        )
    if chance < 0.16:
        return rng.choice([b"-C", b"!", b"dir-merge .ex", b"merge rules", b". rules", b".- rules"])
    head = rng.choice(
        [b"- ", b"- ", b"- ", b"+ ", b"+ ", b"-! ", b"-/ ", b"-s ", b"-r ", b"-p ", b"P ", b"R ", b"H ", b"S ", b"+! "]
    )
    return head + pattern(rng, c.names).replace(b"\n", b"?")


def filters(c: Choices) -> list[Group]:
    made: list[Group] = [[c.rng.choice([b"-f", b"--filter"]), rule(c)] for _ in range(c.rng.randrange(1, 4))]
    if any(b"rules" in g[1] for g in made):
        lines = [rule(c).replace(b"rules", b".ex") for _ in range(2)]
        c.case.entries.append(File(b"rules", content=b"\n".join(lines) + b"\n"))
    return made


def excludes(c: Choices) -> list[Group]:
    made: list[Group] = []
    for _ in range(c.rng.randrange(1, 4)):
        word = c.rng.choice([b"--exclude=", b"--exclude=", b"--include="])
        made.append([word + pattern(c.rng, c.names)])
    return made


def rules_from(c: Choices) -> list[Group]:
    null = c.rng.random() < 0.3
    mark = b"\0" if null else b"\n"
    lines = [pattern(c.rng, c.names) for _ in range(3)] + [c.rng.choice([b"# remark", b"", b"; x", b"- a", b"+ b"])]
    c.rng.shuffle(lines)
    c.case.entries.append(File(b"listed", content=mark.join(lines) + mark))
    made = [[c.rng.choice([b"--exclude-from=", b"--exclude-from=", b"--include-from="]) + b"listed"]]
    return [[b"-0"], *made] if null else made


def files_from(c: Choices) -> list[Group]:
    rng = c.rng
    null = rng.random() < 0.4
    names = [c.any_name() for _ in range(rng.randrange(1, 6))]
    if not null:
        names = [n for n in names if b"\n" not in n and b"\r" not in n and not n.startswith((b"#", b";"))]
    shaped = [
        rng.choice([name, name, name, name + b"/", b"./" + name, b"/" + name, name + b"/.", b"d//" + name])
        for name in names
    ]
    if rng.random() < 0.2:
        shaped.append(rng.choice([b"nosuch", b"nosuch/x", b".", b"d/../a"]))
    mark = b"\0" if null else b"\n"
    c.case.entries.append(File(b"list", content=mark.join(shaped) + (mark if shaped and rng.random() < 0.8 else b"")))
    made: list[Group] = [[b"--files-from=list"]]
    if null:
        made.append([rng.choice([b"-0", b"--from0"])])
    if rng.random() < 0.3:
        made.append([rng.choice([b"-r", b"--no-R", b"--no-implied-dirs", b"--no-d"])])
    return made


def temp_dir(c: Choices) -> list[Group]:
    c.case.entries.append(Dir(b"tmp"))
    return [[b"--temp-dir=" + (c.there + b"tmp")]]


def partial_dir(c: Choices) -> list[Group]:
    if c.rng.random() < 0.5:
        files = [p for p, e in c.source.items() if isinstance(e, File) and e.content]
        if files:
            path = c.rng.choice(files)
            directory, _, name = path.rpartition(b"/")
            entry = c.source[path]
            assert isinstance(entry, File) and entry.content is not None
            place = join(join(b"dst", directory), b".p")
            c.case.entries.append(File(place + b"/" + name, content=entry.content[: len(entry.content) // 2]))
    return [[b"--partial-dir=.p"]]


def backup(c: Choices) -> list[Group]:
    made: list[Group] = [[b"-b"]]
    if c.rng.random() < 0.4:
        made.append([c.rng.choice([b"--suffix=.old", b"--suffix=~", b"--suffix=.b c"])])
    if c.rng.random() < 0.5:
        made.append([b"--backup-dir=" + c.rng.choice([b"../bak", c.there + b"bak", b"bak", b"bak/x"])])
    return made


def one_of(*words: str) -> Callable[[Choices], list[Group]]:
    return lambda c: [[w.encode() for w in c.rng.choice(words).split(" ")]]


def whole(*words: str) -> Callable[[Choices], list[Group]]:
    return lambda c: [[c.rng.choice(words).encode()]]


def all_of(*words: str) -> Callable[[Choices], list[Group]]:
    return lambda c: [[word.encode()] for word in words]


MAKERS: list[tuple[float, Callable[[Choices], list[Group]]]] = [
    (3, one_of("-u")),
    (3, one_of("-c")),
    (2, one_of("-I")),
    (2, one_of("--size-only")),
    (2, one_of("-@1", "-@100", "-@-1", "--modify-window=2")),
    (4, one_of("--no-W")),
    (2, one_of("-W")),
    (3, one_of("--inplace")),
    (2, one_of("--append", "--append-verify")),
    (3, one_of("-S")),
    (1, one_of("--preallocate")),
    (8, one_of("--delete", "--delete-before", "--delete-during", "--delete-delay", "--delete-after", "--del")),
    (4, one_of("--delete-excluded", "--delete-excluded --delete-after", "--delete-excluded --delete-delay")),
    (3, one_of("--force")),
    (2, one_of("--delete --max-delete=1", "--delete --max-delete=2", "--del --max-delete=0", "--max-delete=3")),
    (1, one_of("--ignore-errors")),
    (3, one_of("--existing")),
    (3, one_of("--ignore-existing")),
    (1, one_of("--ignore-missing-args", "--delete-missing-args")),
    (6, backup),
    (3, partial_dir),
    (3, one_of("--delay-updates")),
    (3, alt(b"compare")),
    (3, alt(b"copy")),
    (4, alt(b"link")),
    (3, one_of("-y", "-yy", "-y --no-W", "-yy --no-W")),
    (5, one_of("-H")),
    (3, one_of("-A")),
    (4, one_of("-X")),
    (4, one_of("-L", "-k", "--copy-unsafe-links", "--safe-links", "--munge-links")),
    (3, one_of("-K")),
    (2, one_of("-E", "--no-p -E", "--no-p")),
    (
        3,
        one_of(
            "--chmod=u+w,go-w", "--chmod=D755,F644", "--chmod=a+rX", "--chmod=F+x,Dg+s", "--chmod=ugo=rwX", "--chmod=o="
        ),
    ),
    (
        2,
        one_of(
            "--chown=1:5", "--chown=nobody:nogroup", "--usermap=0:5,*:1", "--groupmap=5-7:1", "--usermap=12345:daemon"
        ),
    ),
    (2, one_of("--numeric-ids")),
    (3, one_of("-O", "-J", "-OJ")),
    (1, one_of("-U", "-UU")),
    (2, one_of("--no-o", "--no-g", "--no-o --no-g", "--no-D", "--no-l", "--no-t", "--no-devices", "--no-specials")),
    (4, one_of("-R")),
    (1, one_of("-R --no-implied-dirs")),
    (2, one_of("-d", "--no-r -d", "--no-r")),
    (2, one_of("--mkpath")),
    (4, one_of("-m")),
    (1, one_of("-x")),
    (4, files_from),
    (2, one_of("--max-size=100", "--max-size=4k", "--max-size=0", "--max-size=20000")),
    (2, one_of("--min-size=1", "--min-size=700", "--min-size=5K")),
    (7, filters),
    (5, excludes),
    (2, rules_from),
    (3, one_of("-F", "-FF")),
    (2, one_of("-C")),
    (6, one_of("-n")),
    (2, one_of("--remove-source-files")),
    (2, temp_dir),
    (2, one_of("--checksum-choice=md5", "--cc=xxh64", "--cc=sha1", "--cc=md4,xxh3")),
    (2, one_of("-B700", "--block-size=4096", "-B131072")),
    (1, one_of("--bwlimit=100m")),
    (1, one_of("--no-i-r")),
    (1, one_of("--super", "--no-super")),
    (1, one_of("--numeric-ids --chown=7:8")),
    (1, one_of("--open-noatime")),
    (1, one_of("--fsync")),
    (1, one_of("--copy-devices")),
    (1, one_of("-8")),
    (1, one_of("--trust-sender")),
]
#: Only of any meaning over a link.
LINKED: list[tuple[float, Callable[[Choices], list[Group]]]] = [
    (4, one_of("-z", "-zz", "--zc=lz4", "--zc=zlib", "--zc=zstd", "-z --zl=1", "-z --skip-compress=c/o")),
    (2, one_of("--protocol=31", "--protocol=30")),
    (1, one_of("-s", "--old-args")),
]
REPORTS: list[tuple[float, Callable[[Choices], list[Group]]]] = [
    (10, one_of("-i")),
    (4, one_of("-ii")),
    (4, one_of("-v")),
    (2, one_of("-vv")),
    (4, all_of("-i", "--stats")),
    (2, all_of("-v", "-i")),
    (1, all_of("-v", "--stats")),
    (2, whole("--out-format=%i %n%L", "--out-format=%o %f %l", "--out-format=%B %U %G %M %n", "--out-format=%C %n")),
    (1, whole("--out-format=%i %c %h %a %m %P %n")),
    (2, one_of("--info=name,del,remove", "--info=name2,skip2", "--info=all0,copy", "--info=backup,misc2,nonreg",
               "--info=flist2")),
    (1, one_of("--info=stats2,mount,symsafe", "--info=stats1,name1", "--info=none")),
    (1, one_of("-q")),
    (1, all_of()),
]  # fmt: skip
BASES = [
    *["-a"] * 12, "-r", "-rl", "-rlt", "-rt", "-rlpt", "-rlptgo", "-rptgoD", "-a --no-t", "-rlD", "-dlt", "-lt", "",
]  # fmt: skip
ONCE = {b"-a", b"-n", b"-d"}


def pick(
    rng: random.Random, table: list[tuple[float, Callable[[Choices], list[Group]]]]
) -> Callable[[Choices], list[Group]]:
    return rng.choices([maker for _, maker in table], [weight for weight, _ in table])[0]


def make(seed: int) -> Case:
    """The case of this number; always the same."""
    rng = random.Random(f"tain {seed}")
    case = Case(seed)
    case.user = rng.random() < 0.2
    chance = rng.random()
    case.via = "local" if chance < 0.5 else "shell" if chance < 0.88 else "daemon"
    pull = rng.random() < 0.5
    if case.via != "local":
        case.far = rng.choice([None, None, True, False])
    if case.via == "daemon":
        # The daemon of the rows runs as root.
        case.user = False
    maker = Maker(rng, case.user)
    source = maker.make(rng.choice([2, 5, 10, 16, 24]))
    target: dict[bytes, Entry] = {}
    chance = rng.random()
    top = Dir(b"src", time=rng.choice([0, 5, -7]))
    case.entries = [top, *placed(source, b"src")]
    if chance > 0.1:
        case.entries.append(Dir(b"dst", time=rng.choice([0, 5, 5])))
    if chance > 0.25:
        target = mutate(rng, source, case.user, 0.8)
        case.entries += placed(target, b"dst")
    if any(isinstance(e, Link) for e in case.entries) or rng.random() < 0.3:
        case.entries += [
            Dir(b"out"),
            File(b"out/f", content=b"outside"),
            Dir(b"out/od"),
            File(b"out/od/g", content=b"g"),
        ]
    far_is_dest = not pull
    there = b"/" if case.via == "daemon" and far_is_dest else b"{w}/"
    choices = Choices(rng, case, list(source), source, there)
    options: list[Group] = [[word.encode()] for word in rng.choice(BASES).split()]
    for _ in range(min(9, int(rng.expovariate(0.4)))):
        options += pick(rng, MAKERS)(choices)
    if case.via != "local" and rng.random() < 0.5:
        options += pick(rng, LINKED)(choices)
    rng.shuffle(options)
    options += pick(rng, REPORTS)(choices)
    case.options = options
    relative = any(word in (b"-R", b"--files-from=list") for group in options for word in group)
    sources: list[bytes] = [b"src/"]
    chance = rng.random()
    if b"--files-from=list" not in case.words():
        if chance < 0.12:
            sources = [b"src"]
        elif chance < 0.22 and source:
            sources = [b"src/" + choices.any_name() for _ in range(rng.randrange(1, 4))]
            if rng.random() < 0.3:
                sources.append(rng.choice([b"src/nosuch", b"src/", b"src/d/"]))
        elif chance < 0.27:
            # A second source whose names clash with the first's.
            other = Maker(rng, case.user).make(5)
            case.entries += [Dir(b"src2"), *placed(other, b"src2")]
            sources = [b"src/", b"src2/"]
        elif relative and chance < 0.6:
            sources = [rng.choice([b"src/./", b"./src/", b"src/.", b"src//d", b"./src/./" + choices.any_name()])]
    dest = b"dst/"
    chance = rng.random()
    if chance < 0.08:
        dest = b"dst"
    elif chance < 0.12:
        dest = rng.choice([b"dst/new", b"dst/new/", b"dst/x/y/", b"fresh"])
    if case.via == "daemon" and pull and b"--files-from=list" in case.words():
        case.via = "shell"
    if case.via == "shell":
        if pull:
            sources = [b"h:{w}/" + s for s in sources]
        else:
            dest = b"h:{w}/" + dest
    elif case.via == "daemon":
        move = [b"src", b"src2", b"out"] if pull else [b"dst", b"alt", b"alt2", b"out", b"tmp"]
        for entry in case.entries:
            if os.fsencode(entry.path).split(b"/")[0] in move:
                entry.path = b"mod/" + os.fsencode(entry.path)
                if isinstance(entry, Hard):
                    entry.target = b"mod/" + os.fsencode(entry.target)
        if pull:
            sources = [b"{url}/m/" + s for s in sources]
        else:
            dest = b"{url}/m/" + dest
    case.sources = sources
    case.dest = [dest]
    case.again = rng.random() < 0.25
    avoid(case)
    return case


def parents(path: str | bytes) -> list[bytes]:
    parts = os.fsencode(path).split(b"/")
    return [b"/".join(parts[:n]) for n in range(1, len(parts))]


def avoid(case: Case) -> None:
    """Keep away from what rsync itself does by chance, or does wrong.

    - `--fake-super` is not among the options: rsync writes ids into its attribute that it has never set when owners
      are not copied.
    - `--checksum-choice=none` is not among them: whether it is refused depends on whether there is anything to copy.
    - Access times: what a run reads to compare (`-c`) changes them, so a second run with `-U` reports its own reading.
    - As an ordinary user: a directory of the source that can't be read is left with the bits rsync added for the time
      of the run; and how much is deleted before a file turns out to be unreadable is a race (tain deletes nothing
      after that, see the table of known differences).
    - `--files-from` and a directory of a module: rsync's daemon without chroot loses every file (`file has vanished`).
    - `-vv` with backups: `backed up` comes from another process than the names around it.
    - `-vv` with several sources or with deletion before or after: tain does not report `removing duplicate name`, and
      reports `deleting in` for more directories.
    - `-n` with `-X` or `-A`: rsync complains of directories that a dry run has not made.
    - `--append` with `-y` or an alternate directory: rsync takes a longer file there for the file itself and copies
      nothing.
    - `-s` with `-yy` as a push: rsync's server loses the second `y` and does not look into alternate directories.
    - `-n` with `-H` and a destination that is missing: rsync looks for the names in its working directory, where it
      finds the source.
    - `--copy-devices` from a daemon, which refuses it: rsync's client may see a reset connection, not the reason.
    - A line break in a name for a remote shell, without `-s`: rsync escapes it so that the shell removes it.
    - As an ordinary user with `--max-delete`: rsync makes files writable that it then keeps.
    - `%b` is not among the formats: it counts how the stream happens to be cut into frames.
    - Rules and lists with NUL bytes but without `-0` come only from reductions.
    - `--ignore-existing` with something else than a directory in a directory's place: rsync goes on into it.
    """
    words = case.words()
    deletes = any(w.startswith(b"--del") for w in words)
    if case.again and any(w in (b"-U", b"-UU") for w in words):
        case.again = False
    if case.user:
        for entry in case.entries:
            if isinstance(entry, Dir) and entry.mode is not None and entry.mode & 0o500 != 0o500:
                entry.mode = 0o755
            elif deletes and entry.mode is not None and entry.mode & 0o400 == 0:
                entry.mode = 0o644
    if b"-n" in words:
        case.options = [group for group in case.options if group not in ([b"-X"], [b"-A"])]
    if any(w.startswith(b"--append") for w in words):
        case.options = [
            g for g in case.options if not g[0].startswith((b"-y", b"--copy-d", b"--link-d", b"--compare-d"))
        ]
    if b"-s" in words and case.via != "local":
        case.options = [[b"-y" if word == b"-yy" else word for word in group] for group in case.options]
    if b"-n" in words and not any(os.fsencode(e.path).removeprefix(b"mod/").startswith(b"dst") for e in case.entries):
        case.options = [group for group in case.options if group != [b"-H"]]
    if case.via == "daemon":
        case.options = [group for group in case.options if group != [b"--copy-devices"]]
    if case.via == "shell" and b"-s" not in words:
        case.sources = [source.replace(b"\n", b"?") for source in case.sources]
    if case.user and any(w.startswith(b"--max-delete") for w in words):
        for entry in case.entries:
            if entry.mode is not None:
                entry.mode |= 0o200
    # What was put below something that is no directory can't be made.
    dirs = {os.fsencode(e.path) for e in case.entries if isinstance(e, Dir)}
    others = {os.fsencode(e.path) for e in case.entries} - dirs
    case.entries = [e for e in case.entries if not others & {os.fsencode(p) for p in parents(e.path)}]
    told = b"-b" in words or len(case.sources) > 1 or any(w in (b"--delete-before", b"--delete-after") for w in words)
    if b"-vv" in words and told:
        case.options = [[b"-v"] if group == [b"-vv"] else group for group in case.options]
    if b"--ignore-existing" in words:
        kinds: dict[bytes, bool] = {}
        for entry in case.entries:
            top, _, path = os.fsencode(entry.path).removeprefix(b"mod/").partition(b"/")
            if top.startswith(b"src") and isinstance(entry, Dir):
                kinds[path] = True
        kept = []
        for entry in case.entries:
            top, _, path = os.fsencode(entry.path).removeprefix(b"mod/").partition(b"/")
            if top == b"dst" and path in kinds and not isinstance(entry, Dir):
                continue
            kept.append(entry)
        gone = {e.path for e in case.entries} - {e.path for e in kept}
        case.entries = [e for e in kept if not (isinstance(e, Hard) and e.target in gone)]
