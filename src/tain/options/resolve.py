"""From options as typed to options as meant (spec: options 3)."""

from __future__ import annotations

from tain.errors import TainError
from tain.escape import printable
from tain.options import choices, levels
from tain.options.handlers import Finished, Pass, resolve_daemon, usage_error
from tain.options.paths import clean, has_escape, number
from tain.options.resolved import ResolvedOptions
from tain.options.sizes import parse_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tain.options.parse import RawOptions
    from tain.options.refuse import Refusals

__all__ = ["Finished", "ResolvedOptions", "resolve", "resolve_daemon"]

#: Least ``--max-alloc``.
ALLOC_MIN = 1 << 20
BATCH_NAME_MAX = 256
DAEMON_THREADS_MAX = 8
PATH_MAX = 4096


def resolve(
    raw: RawOptions,
    *,
    environ: Mapping[bytes, bytes] | None = None,
    program: str = "rsync",
    now: Callable[[], float] | None = None,
    refusals: Refusals | None = None,
    point: bytes = b".",
    knows_parameter: Callable[[bytes], bool] = lambda name: True,
) -> ResolvedOptions:
    """Resolve *raw*: apply its words in order, then decide what depends on several of them.

    *environ* is the environment as bytes (none by default), *program* the name for help texts, *now* the clock for
    ``--stop-at``, *refusals* what a daemon module refuses (then this is a daemon's child), *point* the locale's decimal
    separator. *knows_parameter* says whether a daemon's configuration has a parameter of that name (``--dparam``).

    Errors: `Finished` when a text is all that was asked for; `TainError` with rsync's words and exit codes.
    """
    if now is None:
        import time

        now = time.time
    state = Pass(raw, environ or {}, program, now)
    state.options.server = refusals is not None
    state.refusals = refusals
    state.point = point
    try:
        if raw.daemon is not None and refusals is not None:
            state.on_daemon_table()
        state.apply()
        if raw.daemon is not None:
            return resolve_daemon(raw.daemon, program=program, knows_parameter=knows_parameter)
        _resolve(state)
    except TainError as error:
        if refusals is not None:
            # A daemon's child ends with this code for every error in a client's words (spec: protocol 10.6).
            error.code = 4
        raise
    return state.options


def _resolve(state: Pass) -> None:
    """Decide what depends on several options, in the order of spec options 3."""
    options = state.options
    _resolve_texts(state)
    _resolve_memory(state)
    _resolve_quoting(state)
    _resolve_sums(options)
    _resolve_compression(options)
    _resolve_levels(options)
    if options.explain:
        options.dry_run = True
    _resolve_conflicts(options)
    _resolve_selection(state)
    _resolve_deletion(state)
    _refuse_implied(state)
    _resolve_paths(state)
    _resolve_backup(state)
    _resolve_output(options)
    _resolve_writing(state)
    _resolve_files_from(state)
    _resolve_limits(state)


def _resolve_texts(state: Pass) -> None:
    """Raise `Finished` where ``--help`` or ``--version`` is all that was asked for."""
    server = state.options.server
    single = state.raw.word_count == 1 and not server and not state.versions
    if single and any(name == "h" for _, _, name, _ in state.raw.items):
        state.on_help()
    if state.versions:
        from tain.options.version import version_json, version_text

        if server:
            raise Finished(version_text(state.program), 2)
        raise Finished(version_json(state.program) if state.versions > 1 else version_text(state.program))


def _refuse_implied(state: Pass) -> None:
    """Refuse what the options as a whole ask for, whatever words asked for it."""
    if state.refusals is None:
        return
    row = state.refusals.implied(state.options)
    if row is not None:
        raise state.refused(row, row.key)
    state.refusals.choose_delete(state.options)


def _resolve_limits(state: Pass) -> None:
    """Bring counts and times into the range that has a meaning."""
    options = state.options
    for name in ("xattrs", "atimes", "hard_links", "one_file_system", "fuzzy"):
        setattr(options, name, min(getattr(options, name), 2))
    options.human_readable = min(options.human_readable, 3)
    options.timeout = max(options.timeout, 0)
    options.compress_threads = max(options.compress_threads, 0)
    if state.refusals is not None:
        # The owner of the module pays for the threads, not the client (spec: daemon 9).
        options.compress_threads = min(options.compress_threads, DAEMON_THREADS_MAX)
    if options.atimes > 1:
        options.open_noatime = True


def _resolve_memory(state: Pass) -> None:
    options = state.options
    text = options.max_alloc_arg
    if text is None:
        text = state.environ.get(b"RSYNC_MAX_ALLOC") or None
        options.max_alloc_arg = text
    if text is not None:
        size = parse_size(text, "max-alloc", low=ALLOC_MIN, zero=True, point=state.point)
        if not size:  # In rsync this means "no limit"; a peer must not be able to ask for that (spec: security SEC-20).
            raise usage_error("max-alloc must be greater than zero")
        options.max_alloc = size


def _resolve_quoting(state: Pass) -> None:
    options = state.options
    secluded, old = state.secluded, state.old_args
    if old is None:
        value = state.environ.get(b"RSYNC_OLD_ARGS", b"")
        if not options.server and not secluded and value:
            level = number(value)
            old = 1 if level < 0 else level
            secluded = False
        else:
            old = 0
    elif old and secluded:
        raise usage_error("--secluded-args conflicts with --old-args.")
    if secluded is None:
        secluded = not options.server and not old and number(state.environ.get(b"RSYNC_PROTECT_ARGS", b"")) != 0
    if not options.server and not options.rsh_given:
        options.rsh = state.environ.get(b"RSYNC_RSH", options.rsh)
    options.secluded_args = secluded
    options.old_args = min(old, 2)
    if (
        options.iconv is None
        and not options.server
        and not any("iconv" in row.longs or "no-iconv" in row.longs for row, _, _, _ in state.raw.items)
    ):
        options.iconv = state.environ.get(b"RSYNC_ICONV") or None
    if options.iconv == b"-":
        options.iconv = None


def _resolve_sums(options: ResolvedOptions) -> None:
    if options.checksum_choice is None:
        return
    options.checksum_names = choices.checksum_choice(options.checksum_choice)
    if options.checksum_names is None:
        options.checksum_choice = None
        return
    if options.checksum_names[0] == "none":
        options.whole_file = 1


def _resolve_compression(options: ResolvedOptions) -> None:
    if options.compress_choice_arg is None and options.compress_asked > 1:
        options.compress_choice_arg = b"zlibx"
    if options.compress_choice_arg is not None:
        options.compress_choice = choices.compress_name(options.compress_choice_arg)
        if options.compress_choice is None:
            options.compress_choice_arg = None
    if options.compress_level == -(1 << 31):  # rsync's number for "not given"
        options.compress_level = None
    if options.compress_choice is not None:
        options.compress = options.compress_choice != "none"
    else:
        options.compress = bool(options.compress_asked) or options.compress_level is not None


def _resolve_levels(options: ResolvedOptions) -> None:
    levels.apply_verbosity(options)
    if options.stats:
        text = "stats3" if options.verbose > 1 else "stats2"
        levels.apply(options, "info", text)


def _resolve_conflicts(options: ResolvedOptions) -> None:
    if options.fake_super and options.xattrs > 1:
        raise usage_error("--fake-super conflicts with -XX")
    if options.write_batch is not None and options.read_batch is not None:
        raise usage_error("--write-batch and --read-batch can not be used together")
    if options.read_batch is not None:
        if options.files_from is not None:
            raise usage_error("--read-batch cannot be used with --files-from")
        if options.remove_source_files:
            name = "sent" if options.remove_sent_files else "source"
            raise usage_error(f"--read-batch cannot be used with --remove-{name}-files")
    if options.write_batch is not None and options.dry_run:
        options.write_batch = None
        options.only_write_batch = False
    for batch in (options.write_batch, options.read_batch):
        if batch is not None and len(batch) > BATCH_NAME_MAX:
            raise usage_error(f"the batch-file name must be {BATCH_NAME_MAX} characters or less.")
    if options.temp_dir is not None and len(options.temp_dir) >= PATH_MAX - 10:
        raise usage_error("the --temp-dir path is WAY too long.")
    if options.max_delete is not None and options.max_delete < 0:
        options.max_delete = 0


def _resolve_selection(state: Pass) -> None:
    options = state.options
    if options.files_from is not None:
        if options.recurse == 1:
            options.recurse = 0
        if options.dirs < 0:
            options.dirs = 1
    if len(options.args) < 2 and not options.server and options.read_batch is None:
        options.list_only |= 1
    if options.dirs >= 4:
        state.on_event("filter", b"- /*/*")
        options.recurse = options.dirs = 1
    elif options.recurse:
        options.dirs = 1
    elif options.dirs < 0:
        options.dirs = 1 if options.list_only else 0
    if options.relative < 0:
        options.relative = 1 if options.files_from is not None else 0
    if not options.relative:
        options.implied_dirs = False
    if not options.recurse or options.qsort:
        options.inc_recurse = False


def _resolve_deletion(state: Pass) -> None:
    options = state.options
    if len(state.delete_groups) > 1:
        raise usage_error("You may not combine multiple --delete-WHEN options.")
    if options.delete_excluded and options.delete == "never":
        options.delete = "default"
    if options.delete != "never" and options.dirs <= 0:
        raise usage_error("--delete does not work without --recursive (-r) or --dirs (-d).")
    if options.delete_missing_args:
        options.ignore_missing_args = True


def _resolve_paths(state: Pass) -> None:
    options = state.options
    if options.confine_root is not None:
        if state.refusals is not None:
            options.confine_root = None
        elif options.confine_root[:1] != b"/":
            raise usage_error("--confine-root must be an absolute path")
        elif options.insecure_links:
            raise usage_error("--insecure-links cannot be combined with --confine-root")


def _resolve_backup(state: Pass) -> None:
    options = state.options
    directory = options.backup_dir
    suffix = options.backup_suffix
    if suffix is None:
        suffix = b"" if directory is not None else b"~"
    if b"/" in suffix:
        raise usage_error(f"--suffix cannot contain slashes: {printable(suffix)}")
    if directory is not None:
        options.backup = True
        while directory[:2] == b"./":
            directory = directory[2:].lstrip(b"/")
        if directory in (b"", b"."):
            if not suffix:
                raise usage_error("--suffix cannot be empty when --backup-dir is the same as the dest dir")
            directory = None
    elif not suffix:
        raise usage_error("--suffix cannot be empty without a --backup-dir")
    options.backup_dir, options.backup_suffix = directory, suffix
    if options.backup and directory is None:
        options.omit_dir_times = options.omit_dir_times_implied = True
        if options.delete != "never" and not options.delete_excluded and not options.server:
            state.on_event("filter", b"P *" + suffix)


def _resolve_output(options: ResolvedOptions) -> None:
    """Choose the format of item lines, and apply ``--progress`` (spec: options 2.11, options 3, step 12, output 9)."""
    before = False  # An item line comes before the data of its file.
    shown = options.out_format
    if shown is not None:
        if options.server:
            wanted = 2 if has_escape(shown, "I") else 1
        else:
            wanted = min(options.itemize_level, 2) or 1
        options.itemize_level = wanted if has_escape(shown, "i") else 0
        before = not any(has_escape(shown, letter) for letter in "bcC")
    elif options.itemize_level:
        options.itemize_level = min(options.itemize_level, 2)
        options.out_format = b"%i %n%L"
        before = True
    if options.bar:
        # The bar shows what these show, and both would write over each other.
        options.progress = False
        options.info["PROGRESS"] = 0
    if options.progress and not options.server:
        if not before and options.info["NAME"] == 0:
            levels.apply(options, "info", "name")
        levels.apply(options, "info", "flist2,progress")
    if options.info["NAME"] and options.out_format is None and not options.server:
        options.out_format = b"%n%L"
    if options.explain:
        if options.list_only:
            raise usage_error("--explain needs a destination")
        # The plan counts changes of attributes too, which a peer reports to a client that itemizes.
        options.itemize_level = options.itemize_level or 1


def _resolve_writing(state: Pass) -> None:
    options = state.options
    if options.append:
        if options.whole_file > 0:
            raise usage_error("--append cannot be used with --whole-file")
        options.inplace = True
    if options.write_devices:
        options.inplace = True
    if options.delay_updates and options.partial_dir is None:
        options.partial_dir = b".~tmp~"
        options.partial_dir_implied = True
    if options.inplace:
        if options.partial_dir is not None:
            first = "append" if options.append else "inplace"
            second = "delay-updates" if options.delay_updates else "partial-dir"
            raise usage_error(f"--{first} cannot be used with --{second}")
        # In place there is no second file that could be kept.
        options.partial = False
        return
    directory = options.partial_dir
    if directory is None and options.partial and not options.server:
        directory = state.environ.get(b"RSYNC_PARTIAL_DIR") or None
    if directory is None:
        return
    directory = clean(directory) if directory else b"."
    options.partial = True
    options.partial_dir = None if directory == b"." else directory
    if options.partial_dir is None:
        options.partial_dir_implied = False


def _resolve_files_from(state: Pass) -> None:
    options = state.options
    if options.files_from is None:
        return
    if not options.server and options.read_batch is None and len(options.args) != 2:
        from tain.options.help import missing_arguments

        raise missing_arguments(state.program)
    if options.server:
        return
    from tain.options.hostspec import remote_file

    options.files_from_host, options.files_from = remote_file(options.files_from)
    if options.files_from_host is not None and options.files_from == b"-":
        raise usage_error("Invalid --files-from remote filename")
