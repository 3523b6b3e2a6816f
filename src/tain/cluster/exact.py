"""What several streams keep exactly, and what they do not: then a run is refused, or stays one stream and says so."""

from __future__ import annotations

import os

from tain.errors import UsageError
from tain.options.levels import USER
from tain.session.client.local import needs_twin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tain.options.resolved import ResolvedOptions
    from tain.session.client.request import Request

#: The first protocol whose rules can be for both sides.
LEAST_PROTOCOL = 29
#: How a receiver reports that it deletes nothing.
NO_DELETIONS = "IO error encountered -- skipping file deletion"

#: Options that make no sense with several streams: the run is refused.
REFUSED: tuple[tuple[str, Callable[[ResolvedOptions], object]], ...] = (
    ("--list-only", lambda o: o.list_only),
    ("--read-batch", lambda o: o.read_batch is not None),
    ("--only-write-batch", lambda o: o.only_write_batch),
    ("--write-batch", lambda o: o.write_batch is not None),
    ("--early-input", lambda o: o.early_input is not None),
    (f"--protocol below {LEAST_PROTOCOL}", lambda o: o.protocol < LEAST_PROTOCOL),
)

#: Runs that stay one stream, each with the reason.
SINGLE: tuple[tuple[str, Callable[[Request], object]], ...] = (
    ("without --recursive there is nothing to divide", lambda r: not r.options.recurse),
    (
        "--hard-links in a pull: each list numbers the groups of names anew",
        lambda r: r.options.hard_links and r.job.host is not None and not r.job.am_sender,
    ),
    ("--prune-empty-dirs needs the whole list", lambda r: r.options.prune_empty_dirs),
    ("--delay-updates puts all files in place together", lambda r: r.options.delay_updates),
    ("--files-from is a list of its own", lambda r: r.options.files_from is not None),
    ("--relative lists directories above the sources", lambda r: r.options.relative > 0),
    ("--iconv changes the bytes of names", lambda r: r.options.iconv is not None),
    (
        "--copy-as changes the user of the process",
        lambda r: r.options.copy_as is not None or any(o.startswith(b"--copy-as") for o in r.options.remote_options),
    ),
    ("--delete-missing-args names single files", lambda r: r.options.delete_missing_args),
    ("--remove-source-files changes the directories of the source", lambda r: r.options.remove_source_files),
    (
        "--delete-before deletes before there is anything to compare",
        lambda r: r.options.delete == "before",
    ),
    (
        "--backup-dir with --delete: the deletions could meet the backups",
        lambda r: r.options.backup_dir is not None and r.options.delete != "never" and not _backs_up_outside(r),
    ),
    (
        "--dry-run with --delete has one list of what would be in the way",
        lambda r: r.options.dry_run and r.options.delete != "never",
    ),
    (
        "--max-delete counts deletions in one order",
        lambda r: r.options.max_delete is not None and r.options.delete != "never",
    ),
    (
        "--delete with files of rules in directories decides before the files change",
        lambda r: r.options.delete in ("default", "during", "delay") and any(rule[:1] == b":" for rule in r.rules),
    ),
    ("--info=BACKUP tells once of a directory", lambda r: r.options.info.get("BACKUP")),
    ("--info=FLIST2 counts the entries of lists", lambda r: r.options.info.get("FLIST", 0) > 1),
    ("--progress shows one file at a time", lambda r: r.options.progress or r.options.info.get("PROGRESS")),
    ("-vv and --debug show how lists are made", lambda r: r.options.verbose > 1 or any(r.options.debug.values())),
    ("--stderr sends lines about files elsewhere", lambda r: r.options.stderr_mode != "errors"),
    ("--explain is about one list", lambda r: r.options.explain),
    ("the plan is confirmed first", lambda r: r.confirm is not None),
    ("--preflight needs the whole list", lambda r: r.options.preflight),
    ("the caller chooses among all names", lambda r: r.select is not None or r.changes_to is not None),
    ("the local copy needs a second process", lambda r: r.job.host is None and needs_twin(r)),
    ("the modes of the destination are not known", lambda r: _unknown_modes(r)),
)

#: Options with which two attempts of one run must not overlap: they change files without a temporary name, or would
#: take each other's results for what was there before.
EXCLUSIVE: tuple[Callable[[ResolvedOptions], object], ...] = (
    lambda o: o.backup,
    lambda o: o.inplace,
    lambda o: o.partial or o.partial_dir is not None,
    lambda o: o.delay_updates,
    lambda o: o.remove_source_files or o.remove_sent_files,
    lambda o: o.write_devices,
)


def is_exclusive(options: ResolvedOptions) -> bool:
    """Whether an attempt may begin only when it is known that the one before it has ended."""
    return any(applies(options) for applies in EXCLUSIVE)


def refuse(options: ResolvedOptions) -> None:
    """Errors: `UsageError` for options that cannot be used with several streams."""
    for name, applies in REFUSED:
        if applies(options):
            raise UsageError(f"rsync: --jobs cannot be used with {name}: leave one of them out")


def single(request: Request) -> str | None:
    """Why the run stays one stream; None if it need not."""
    return next((reason for reason, applies in SINGLE if applies(request)), None)


def shows_entries(options: ResolvedOptions) -> bool:
    """Whether lines about entries are wanted on standard output."""
    shown = options.out_format is not None or options.info.get("NAME") or options.info.get("DEL")
    return bool(shown) and options.info_priority.get("NAME", 0) <= USER


def as_root(request: Request) -> bool:
    """Whether the modes of directories hinder nobody at the receiving end. What the user at another machine may do is
    not known."""
    return os.geteuid() == 0 and not (request.job.host is not None and request.job.am_sender)


def _backs_up_outside(request: Request) -> bool:
    """Whether the backups are known to be outside of the destination, where late deletions do not find them."""
    destination, backups = request.job.destination, request.options.backup_dir
    if request.job.host is not None or destination is None or backups is None:
        return False
    top = os.path.realpath(os.path.join(request.env.cwd, destination))
    place = os.path.realpath(os.path.join(top, backups))
    return os.path.commonpath((top, place)) != top


def _unknown_modes(request: Request) -> bool:
    """Two streams in one directory that its owner may not write take the mode from each other. Where modes are kept,
    the modes of the source say which directories those are."""
    options = request.options
    return not as_root(request) and (not options.perms or bool(options.chmod))
