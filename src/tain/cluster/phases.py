"""The phases of a transfer in several streams: the options and the restriction of each run."""

from __future__ import annotations

from tain.cluster import region as regions
from tain.records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tain import _core
    from tain.cluster.region import Region
    from tain.options.resolved import ResolvedOptions


class Step(Record):
    """One run of a phase."""

    options: ResolvedOptions
    rules: tuple[bytes, ...] = ()
    """Filter rules that stand before the user's."""
    fields: _core.PlanFields = {}  # noqa: RUF012 - a value, which nobody changes
    """Fields of the core's plan."""

    @property
    def only_deletions(self) -> bool:
        """Nothing but deletions is shown and counted."""
        return bool(self.fields.get("only_deletions"))


def spine_step(options: ResolvedOptions, spine: Sequence[bytes]) -> Step:
    """Make and compare the shared directories, and report them."""
    return Step(options=_transfer_options(options), rules=_rules(regions.spine_allowed(spine)))


def region_step(options: ResolvedOptions, region: Region, spine: Sequence[bytes]) -> Step:
    """Transfer the names of a region."""
    fields: _core.PlanFields = {"shared_dirs": sorted(directory or b"." for directory in spine)}
    if options.hard_links:
        fields["linked"] = 1
    return Step(options=_transfer_options(options), rules=_rules(region.allowed()), fields=fields)


def links_step(options: ResolvedOptions) -> Step:
    """Transfer the files that have several names: all names of a group are in one stream."""
    return Step(options=_transfer_options(options, linked=True), fields={"linked": 2, "all_dirs_shared": True})


def deletions_step(options: ResolvedOptions) -> Step:
    """Delete what the source does not have, by one list: one limit, one judgement, one order."""
    options = options.copy()
    options.existing = options.ignore_existing = True
    # At the end of the list, too: the transfer is over.
    options.delete = "after" if options.delete == "after" else "delay"
    options.checksum = options.remove_source_files = options.remove_sent_files = False
    options.fuzzy = options.hard_links = 0
    return Step(options=options, fields={"only_deletions": True})


def attributes_step(options: ResolvedOptions, spine: Sequence[bytes]) -> Step:
    """Give the shared directories the attributes that the streams have changed."""
    rules = _rules(regions.spine_allowed(spine))
    return Step(options=_transfer_options(options), rules=rules, fields={"only_deletions": True})


def _rules(allowed: regions.Allowed) -> tuple[bytes, ...]:
    return tuple(regions.rules(allowed))


def _transfer_options(options: ResolvedOptions, *, linked: bool = False) -> ResolvedOptions:
    """The options of a stream that deletes nothing, but for what is in the way of another type. *linked*: it has the
    files with several names."""
    deletes = options.delete != "never"
    options = options.copy()
    if not linked:
        options.hard_links = 0
    if deletes:
        if options.delete == "after":
            # It needs one list, and announces it so.
            options.inc_recurse = False
        options.delete, options.delete_excluded, options.force = "never", False, True
    return options
