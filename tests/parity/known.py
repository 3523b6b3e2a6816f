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
}
