"""The rules that a run must keep when a system call failed under it."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fault.injected.cases import Case
from tests.fault.injected.sets import SETS
from tests.fault.injected.world import ERRNOS, Picture, Run, describe

TEMPORARY = re.compile(r"^\.(?P<name>.+)\.[A-Za-z0-9]{6}$")
IN_TEMP_DIR = re.compile(r"^(?P<name>.+)\.[A-Za-z0-9]{6}$")
HOLDING = {".part", ".~tmp~"}
"""Directories in which a file waits, or stays unfinished."""

#: A run that cannot go on: rsync's codes for a file or stream error, and for what it could not choose.
FATAL = {3, 11, 12}


def words(line: str) -> dict[str, str]:
    """The parts of a line of a picture; the first word is the mode."""
    found = {"mode": line.split(" ", 1)[0]}
    for word in line.split(" ")[1:]:
        key, mark, value = word.partition("=")
        found[key if mark else "owner"] = value if mark else word
    return found


def kind(line: str | None) -> str:
    return line[0] if line else ""


def content(line: str | None) -> str:
    """What stands for the data of a regular file."""
    if not line or line[0] != "-":
        return ""
    parts = words(line)
    return f"{parts['size']}/{parts['sha']}"


@dataclass(frozen=True)
class Spot:
    """Where a call was hit: the top-level tree, and the name that the user knows (not that of a temporary file)."""

    kind: str
    top: str
    name: str
    leaf: str
    """The last component as it stood in the call."""
    vague: bool = False
    """An unnamed file: only its directory is known."""


def spot(work: Path, kind: str, path: str) -> Spot:
    vague = path.endswith(" (deleted)")
    path = path.removesuffix(" (deleted)")
    # "dst/./x" and "dst//x" are dst/x.
    relative = os.path.relpath(os.path.normpath(path), work)
    top, _, rest = relative.partition("/")
    parts = [part for part in rest.split("/") if part and part not in HOLDING]
    leaf = os.path.basename(relative)
    if parts:
        match = (IN_TEMP_DIR if top == "tmp" else TEMPORARY).match(parts[-1])
        if match:
            parts[-1] = match["name"]
            vague = False
        elif vague and parts[-1].startswith("#"):
            parts.pop()
        else:
            vague = False
        if parts and parts[-1].endswith("~"):
            parts[-1] = parts[-1][:-1]
    return Spot(kind, top, "/".join(parts), leaf, vague)


def unquoted(picture: Picture) -> Picture:
    """With plain names. The top is ''."""
    return {("" if key == "'.'" else key[1:-1]): line for key, line in picture.items()}


@dataclass
class Judge:
    case: Case
    work: Path
    before: dict[str, Picture]
    clean: Run
    run: Run
    then: Run | None
    """The run that follows, in which nothing fails."""
    clean_then: dict[str, Picture]
    """What a second run leaves after a clean first one."""

    def __post_init__(self) -> None:
        self.found: list[str] = []
        self.spots = [spot(self.work, kind, path) for kind, path in self.run.hits]
        self.was = unquoted(self.before["dst"])
        self.wanted = unquoted(self.clean.trees["dst"])
        self.now = unquoted(self.run.trees.get("dst", {}))
        self.text = self.run.outcome.err.decode(errors="replace") + self.run.outcome.out.decode(errors="replace")
        self.groups = self.linked()

    def linked(self) -> dict[str, set[str]]:
        """Names of one file, on the sending side: they come and fail together."""
        leaders: dict[str, set[str]] = {}
        for name, line in unquoted(self.before["src"]).items():
            with_ = words(line).get("with")
            if with_:
                leaders.setdefault(with_, set()).add(name)
        return {name: group for group in leaders.values() for name in group}

    def judge(self) -> list[str]:
        self.ending()
        differing = self.differing()
        self.names(differing)
        self.reports(differing)
        self.sources()
        self.deletions()
        self.leftovers()
        self.afterwards()
        return self.found

    def say(self, text: str) -> None:
        self.found.append(text)

    # -- how it ended

    def ending(self) -> None:
        code = self.run.outcome.code
        if code == -999:
            self.say("it hangs")
        elif code < 0:
            self.say(f"killed by signal {-code}")
        elif code not in {0, 23} | FATAL and not self.lost_basis():
            self.say(f"exit code {code}")
        for word in ("Traceback", "panicked", "internal error"):
            if word in self.text or word in self.run.log:
                self.say(f"{word}: {self.text[-1500:]}")
        if not self.spots:
            self.say("nothing was hit: the table of calls is wrong")

    def lost_basis(self) -> bool:
        """The sender has sums of blocks that the receiver cannot read any more: rsync ends with 2, in these words."""
        words = "got a block match with no basis file"
        return self.run.outcome.code == 2 and words in self.text and any(s.top != "src" for s in self.spots)

    def copied_instead(self) -> bool:
        """What cannot be linked is copied, without a word.

        To an alternate directory that is the same in rsync, which ends at the limit of links within a group, and
        reports that a group is on two file systems: a copy is better than a name that is missing.
        """
        case = self.case
        if case.set == "link-dest":
            return case.call == "link" or case.side == "alt"
        return case.set == "links" and case.call in ("link", "rename") and case.error in ("EMLINK", "EXDEV", "EPERM")

    # -- what is at the names

    def differing(self) -> dict[str, str]:
        """Names of the destination that are not as after a clean run, and in what."""
        found = {}
        for name in sorted(self.was.keys() | self.wanted.keys() | self.now.keys()):
            now, wanted = self.now.get(name), self.wanted.get(name)
            if now == wanted or self.is_leftover(name):
                continue
            if now is None:
                found[name] = "missing"
            elif wanted is None:
                found[name] = "not deleted" if name in self.was else "superfluous"
            else:
                left, right = words(now), words(wanted)
                if self.case.set != "attributes":
                    # Attributes stay by chance: where a file is kept and not made again.
                    left, right = words(plain(now) or ""), words(plain(wanted) or "")
                if self.copied_instead():
                    for each in (left, right):
                        each.pop("nlink", None)
                        each.pop("with", None)
                keys = [key for key in left.keys() | right.keys() if left.get(key) != right.get(key)]
                if keys:
                    found[name] = " ".join(sorted(keys))
        return found

    def is_leftover(self, name: str) -> bool:
        return any(TEMPORARY.match(part) or part in HOLDING for part in name.split("/"))

    def names(self, differing: dict[str, str]) -> None:
        for name in differing:
            now = self.now.get(name)
            if kind(now) != "-":
                continue
            assert now
            data = content(now)
            # What a backup keeps is the old file.
            plain = name[:-1] if name.endswith("~") else name
            whole = {content(tree.get(each)) for tree in (self.was, self.wanted) for each in (name, plain)}
            if data in whole:
                continue
            if self.case.set in ("inplace", "append", "append-verify"):
                source = unquoted(self.before["src"]).get(name, "")
                if self.run.outcome.code and words(now)["mtime"] != words(source).get("mtime"):
                    continue
                self.say(f"{name}: a mixture that the next run does not see: {now}")
                continue
            self.say(f"{name}: neither the old nor the new content: {now}")

    # -- what was said

    def causes(self, name: str) -> list[Spot]:
        """The hits that can be the reason for what is wrong with a name."""
        names = self.groups.get(name, set()) | {name}
        if name.endswith("~"):
            names |= {name[:-1]}
        found = []
        for each in self.spots:
            for name in names:
                near = each.name == name or name.startswith(each.name + "/") or each.name == ""
                if each.vague:
                    near = os.path.dirname(name) == each.name
                # The time of the directories above; what is in a directory that stays.
                near |= name == "" or each.name.startswith(name + "/")
                near |= each.top in ("tmp", "bak", "alt") and os.path.basename(each.name) == os.path.basename(name)
                if near:
                    found.append(each)
                    break
        return found

    def reported(self, each: Spot) -> bool:
        if self.case.error not in ERRNOS:
            return True
        errors = {describe(ERRNOS[self.case.error])}
        side = r"\[sender\]" if each.top == "src" else r"\[([Rr]eceiver|generator)\]"
        if each.kind == "copy":
            # One call on two files does not say which of them failed.
            side = r"\[(sender|receiver)\]"
        if each.kind == "create" and self.case.set in ("inplace", "append", "append-verify"):
            # Where making a file is not allowed, rsync opens it once more without, and says what that said.
            errors |= {describe(errno.ENOENT)} if self.case.error == "EACCES" else set()
        for line in self.text.splitlines():
            # In rsync's words, which have no error.
            discarded = each.kind in ("mkdir", "opendir") and line.startswith("Unable to create partial-dir for ")
            # What is found out before the sides are at work names none.
            early = each.top == "tmp" and line.startswith("Failed to stat temp-dir ")
            told = any(error in line for error in errors) and (early or re.search(side, line))
            if not discarded and not told:
                continue
            if discarded and os.path.dirname(line.split(" ")[5]) == each.name:
                return True
            known = [os.path.basename(each.name), each.leaf] if each.name else [each.top, "(., ", "/."]
            known += [os.path.basename(name) for name in self.groups.get(each.name, ())]
            if each.vague or any(name in line for name in known):
                return True
        return False

    def reports(self, differing: dict[str, str]) -> None:
        code = self.run.outcome.code
        stopped = any(s.top == "src" for s in self.spots) or "-- skipping file deletion" in self.text
        for name, what in differing.items():
            causes = self.causes(name)
            if code == 0:
                self.say(f"{name}: {what}, but exit code 0: {self.now.get(name)} for {self.wanted.get(name)}")
            elif (what == "not deleted" and stopped) or code in FATAL or self.lost_basis():
                continue
            elif self.case.call == "read" and f"ERROR: {name} failed verification" in self.text:
                # What cannot be read of the old file is wrong in the new one: rsync says no more than this.
                continue
            elif not causes:
                self.say(
                    f"{name}: {what}, although nothing of it was hit: {self.now.get(name)} for {self.wanted.get(name)}"
                )
            elif not any(self.reported(each) for each in causes):
                self.say(f"{name}: {what}; no message says why ({[(s.kind, s.top, s.leaf) for s in causes[:3]]})")
        if code and not differing and not any(self.reported(each) for each in self.spots):
            self.say(f"exit code {code}, but no message says why")
        if code in FATAL and not any(self.reported(each) for each in self.spots):
            self.say(f"it ends with {code}, and no message says why")
        if code == 0 and self.case.call == "fsync" and self.case.error != "EINTR":
            self.say("data may not be on the disk, but exit code 0")
        if self.case.error in ("EINTR", "short") and (code or differing) and self.case.when != "every":
            self.say(f"{self.case.error} is no failure, but exit code {code}")

    # -- what must not be gone

    def sources(self) -> None:
        before, now = unquoted(self.before["src"]), unquoted(self.run.trees.get("src", {}))
        for name, line in before.items():
            if self.case.set != "remove-source":
                if now.get(name) != line:
                    self.say(f"the source {name} changed: {now.get(name)} for {line}")
            elif name not in now:
                copy = self.now.get(name)
                if kind(copy) != kind(line) or content(copy) != content(line):
                    self.say(f"the source {name} is gone and its copy is not there: {copy}")

    def deletions(self) -> None:
        """A directory that could not be read has no contents to compare with."""
        source = unquoted(self.before["src"])
        for each in self.spots:
            if each.top != "src" or each.kind not in ("opendir", "getdents") or self.case.error not in ERRNOS:
                continue
            if not self.run.outcome.code:
                continue
            for name in self.was.keys() - self.now.keys():
                below = not each.name or name.startswith(each.name + "/")
                if below and name not in source:
                    self.say(f"{name} was deleted although {each.name or '.'} could not be read")

    def leftovers(self) -> None:
        if any(each.kind in ("unlink", "rmdir", "rename") for each in self.spots):
            return
        fatal = self.run.outcome.code in FATAL or self.lost_basis()
        for top in ("dst", "tmp", "bak", "alt"):
            for name in unquoted(self.run.trees.get(top, {})):
                parts = name.split("/")
                # Whole files wait for the end of the run, which may not come; the next run takes them from there.
                waiting = ".~tmp~" in parts and not fatal
                if any(TEMPORARY.match(part) for part in parts) or waiting:
                    self.say(f"left over: {top}/{name}")

    def afterwards(self) -> None:
        if not self.then:
            return
        if self.then.outcome.code:
            self.say(f"the next run: {self.then.outcome}")
        wanted, now = unquoted(self.clean_then["dst"]), unquoted(self.then.trees["dst"])
        deletes = "delet" in SETS[self.case.set].options
        source = unquoted(self.before["src"])
        for name in sorted(wanted.keys() | now.keys()):
            if ".~tmp~" in name.split("/") and self.case.call != "rmdir":
                self.say(f"after the next run {name} is left")
            if name.endswith("~") or self.is_leftover(name):
                continue
            if name not in wanted and (name not in self.was or not deletes):
                continue
            left, right = now.get(name), wanted.get(name)
            if self.case.set == "link-dest" or self.case.set == "links":
                left, right = unlinked(left), unlinked(right)
            if self.case.set != "attributes":
                left, right = plain(left), plain(right)
            if self.case.set == "remove-source":
                # A directory whose files are gone from the source has another time; a complete copy is gone too.
                left, right = content(left), content(right)
            if self.case.set.startswith("append") and content(left) == content(source.get(name)):
                # --append takes the existing data for the beginning; the next run may know better.
                continue
            if left != right:
                self.say(f"after the next run {name} is not as its source: {left} for {right}")
        if self.case.set == "remove-source":
            rest = unquoted(self.then.trees["src"])
            if rest.keys() != unquoted(self.clean_then["src"]).keys():
                self.say(f"after the next run sources are left: {sorted(rest)}")


def unlinked(line: str | None) -> str | None:
    return re.sub(r" nlink=\d+ with=\S+", "", line) if line else line


def plain(line: str | None) -> str | None:
    """Without extended attributes, which only -X copies."""
    return re.sub(r" \w+\.\w+=b('[^']*'|\"[^\"]*\")", "", line) if line else line


#: Cases that break a rule on purpose: what they have in common, and why.
KNOWN: list[tuple[Callable[[Case], bool], str]] = []


def known(case: Case) -> str:
    return next((reason for applies, reason in KNOWN if applies(case)), "")
