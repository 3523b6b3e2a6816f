"""Rows in which tain differs from rsync 3.5.0, with the reason and the issue that the difference belongs to.

A row leaves this table when its difference is gone; `make parity` lists what stays.
"""

from __future__ import annotations

#: By row id.
KNOWN: dict[str, str] = {
    "OPT-last-colon-list": "issue 4: the listing of several remote sources; nothing is written",
    "OPT-server-pull--qsort-130": "deliberate: rsync forwards a word that its own server refuses",
    "OPT-server-push--qsort-130": "deliberate: rsync forwards a word that its own server refuses",
    "OUT-25-12": "issue 4: a daemon that refuses -v is heard of after the first line, not before it",
    "OUT-format-long": "issue 4: an over-long format is refused before the destination is made",
    "TRF-10-append-S": "deliberate: rsync 3.5.0 replaces the part that was there by a hole; tain keeps it",
    "TRF-11-compare-partial": "deliberate: more of a partial file is used than in an update in place; contents agree",
    "TRF-11-copy-partial": "deliberate: as TRF-11-compare-partial",
    "TRF-11-link-partial": "deliberate: as TRF-11-compare-partial",
    "TRF-26-K-delete-outside": "deliberate: a directory outside is not even listed; nothing is deleted by either",
    "TRF-9-abs": "deliberate: as TRF-11-compare-partial",
    "TRF-9-basis": "deliberate: as TRF-11-compare-partial",
    "TRF-9-delay-basis": "deliberate: as TRF-11-compare-partial",
    "TRF-9-fuzzy": "deliberate: as TRF-11-compare-partial",
    "TRF-missing-10": "issue 4: the parent of a removed missing argument is listed before, so its time has changed",
    "TRF-sparse-inplace": "issue 4: fewer holes are punched in matched data; contents agree",
    "TRF-sparse-inplace-pull": "issue 4: as TRF-sparse-inplace",
    "TRF-sparse-inplace-push": "issue 4: as TRF-sparse-inplace",
    "TRF-unreadable-delete": "deliberate: nothing is deleted once a read error is known; rsync has begun by then",
    "MET-m-protect-deep-as-user": "issue 4: a note about a skipped node stands a line earlier among the items",
    "MET-m-risk-as-user": "issue 4: as MET-m-protect-deep-as-user",
    "OPT-checksum-none-c-over-pull": "deliberate: both ends refuse; tain's client says why, rsync's ends with 12",
    "TRF-H-links-as-user": "issue 4: the line of the root stands before or after the names skipped",
    "transfer-7.1-copy-missing-over-daemon-push": "issue 4: a daemon names a missing one by its whole path",
    "TRF-22-alt-over-pull": "issue 4: the warning about a foreign link is told once more by the receiver",
    "TRF-three-runs-over-daemon-push": "issue 4: a deletion stands before the line of its directory",
    "TRF-21-in-the-way-up": "issue 4: a daemon does not tell of what it clears away for a backup",
    "TRF-26-K-delete-outside-down": "deliberate: as TRF-26-K-delete-outside",
    "TRF-fuzzy-11-up": "deliberate: rsync's daemon loses a similar file of an alternate directory; tain finds it",
}
