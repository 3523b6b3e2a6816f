"""The options that a daemon's module refuses (spec: options 9, daemon 9)."""

from __future__ import annotations

from tain.options.table import IMMUNE, OURS, ROWS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from tain.options.resolved import ResolvedOptions
    from tain.options.table import Row

#: Refused unless an exact negated term says otherwise.
_BY_DEFAULT = ("copy-devices", "write-devices")
#: Refused whatever the terms say.
_ALWAYS = ("log-file", "log-file-format", "insecure-links")
#: The letters of ``-a``, in the order in which its refusal names a reason.
_ARCHIVE = ("r", "d", "l", "p", "t", "g", "o", "D")


def _matches(pattern: str, text: str) -> bool:
    """Shell wildcards ``* ? [`` over a name, which has no slashes."""
    import fnmatch

    return fnmatch.fnmatchcase(text, pattern.replace("[^", "[!"))


def _same(row: Row) -> tuple[object, ...]:
    return (row.action, row.dest, row.value)


class Refusals:
    """The options that one module refuses."""

    __slots__ = ("_keys", "unmatched")

    def __init__(self, keys: set[str], unmatched: list[str]) -> None:
        self._keys = keys
        #: Terms that name no option, for the log: ``No match for refuse-options string "T"``.
        self.unmatched = unmatched

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def refuses(self, row: Row) -> bool:
        """Whether this row is refused as it stands on the command line."""
        if row.key in self._keys:
            return True
        return row.key == "archive" and self.archive_reason() is not None

    def archive_reason(self) -> Row | None:
        """The first part of ``-a`` that is refused."""
        for letter in _ARCHIVE:
            for row in ROWS:
                if letter == row.short and row.key in self._keys:
                    return row
        return None

    def shown(self, row: Row, name: str) -> str:
        """The option in the text of a refusal; *name* is its spelling on the command line, without dashes."""
        if row.key == "archive" and row.key not in self._keys:
            reason = self.archive_reason()
            if reason is not None:
                return reason.shown
        if len(name) > 1 and name not in row.longs[:1]:
            return f"--{name}"
        return row.shown

    def choose_delete(self, options: ResolvedOptions) -> None:
        """Choose the time of a plain ``--delete`` when one of the two possible times is refused."""
        if options.delete == "default":
            if "delete-during" in self._keys:
                options.delete = "before"
            elif "delete-before" in self._keys:
                options.delete = "during"

    def implied(self, options: ResolvedOptions) -> Row | None:
        """A refused row that the options as a whole amount to, whatever words were used; None without one."""
        wanted: list[str] = []
        if options.compress:
            wanted.append("compress")
        if options.delete != "never" or options.delete_missing_args:
            wanted.append("delete")
        if options.delete == "default" and {"delete-before", "delete-during"} <= self._keys:
            return _BY_KEY["delete-before"]
        if options.sender and options.remove_source_files:
            wanted.append("delete")
        if options.inplace or options.append or options.write_devices:
            wanted += ["partial", "inplace"]
        for key in wanted:
            if key in self._keys:
                return _BY_KEY[key]
        return None


_BY_KEY: dict[str, Row] = {row.key: row for row in ROWS}


def refusals(terms: Iterable[str], *, charset: bool = False) -> Refusals:
    """The refusals of *terms*, of which later ones win. *charset*: the module has one, so ``--iconv`` can work."""
    refused: set[str] = set(_BY_DEFAULT)
    if not charset:
        refused.add("iconv")
    unmatched: list[str] = []
    for term in terms:
        accept = term.startswith("!")
        name = term[1:] if accept else term
        wild = any(letter in name for letter in "*?[")
        names: tuple[str, ...] = _ARCHIVE if name in ("a", "archive") else (name,)
        hits: list[Row] = []
        for row in ROWS:
            spelled = (*row.longs, row.short) if row.short else row.longs
            if wild:
                if row.key in IMMUNE:
                    continue
                if any(_matches(name, one) for one in spelled):
                    hits.append(row)
            elif any(one in spelled for one in names):
                hits.append(row)
        if not wild:
            kinds = {_same(row) for row in hits}
            hits = [row for row in ROWS if _same(row) in kinds]
        if not hits:
            unmatched.append(term)
        for row in hits:
            if accept:
                refused.discard(row.key)
            else:
                refused.add(row.key)
    refused.update(_ALWAYS)
    refused.update(name for name in OURS if name in _BY_KEY)
    if not charset:
        refused.add("iconv")
    return Refusals(refused, unmatched)
