"""Rows in which tain differs from rsync 3.5.0, with the reason and the issue that the difference belongs to.

A row leaves this table when its difference is gone; `make parity` lists what stays.
"""

from __future__ import annotations

#: By row id.
KNOWN: dict[str, str] = {
    "OPT-last-colon-list": "issue 4: the listing of several remote sources; nothing is written",
    "OPT-server-pull--qsort-130": "deliberate: rsync forwards a word that its own server refuses",
    "OPT-server-push--qsort-130": "deliberate: rsync forwards a word that its own server refuses",
    "OUT-11-names": "issue 4: the line of a hard link to a later name stands at its own place, not after the leader's",
    "OUT-11-widths": "issue 4: a width in front of a percent sign or of an empty %L does not pad",
    "OUT-13-deep-v": "issue 4: a local listing with -vv lacks the lines about delta transmission and matches",
    "OUT-21-each-8": "issue 4: an unchanged root directory is missing from a log with -ii",
    "OUT-25-12": "issue 4: a daemon that refuses -v is heard of after the first line, not before it",
    "OUT-format-long": "issue 4: an over-long format is refused before the destination is made",
    "TRF-10-append-S": "deliberate: rsync 3.5.0 replaces the part that was there by a hole; tain keeps it",
    "TRF-11-compare-partial": "deliberate: more of a partial file is used than in an update in place; contents agree",
    "TRF-11-copy-partial": "deliberate: as TRF-11-compare-partial",
    "TRF-11-link-H-one": "issue 4: the line of a member found in an alternate directory stands before the next ones",
    "TRF-11-link-partial": "deliberate: as TRF-11-compare-partial",
    "TRF-22-alt": "issue 4: the warning about a foreign link is printed once; rsync prints it per process",
    "TRF-26-K-delete-outside": "deliberate: a directory outside is not even listed; nothing is deleted by either",
    "TRF-9-abs": "deliberate: as TRF-11-compare-partial",
    "TRF-9-basis": "deliberate: as TRF-11-compare-partial",
    "TRF-9-delay-basis": "deliberate: as TRF-11-compare-partial",
    "TRF-9-fuzzy": "deliberate: as TRF-11-compare-partial",
    "TRF-10-append-other": "issue 4: as TRF-append-verify",
    "TRF-append-verify": "issue 4: the second try stands right behind the first; rsync does it after the other files",
    "TRF-missing-10": "issue 4: the parent of a removed missing argument is listed before, so its time has changed",
    "TRF-sparse-inplace": "issue 4: fewer holes are punched in matched data; contents agree",
    "TRF-sparse-inplace-pull": "issue 4: as TRF-sparse-inplace",
    "TRF-sparse-inplace-push": "issue 4: as TRF-sparse-inplace",
    "TRF-unreadable-delete": "deliberate: nothing is deleted once a read error is known; rsync has begun by then",
    "output-6-each-acl": "issue 4: -vv calls a name with changed attributes alone up to date",
    "output-6-each-fifo": "issue 4: -vv calls a name with changed attributes alone up to date",
    "output-6-each-link": "issue 4: -J shows T, not t, for the time of a link whose target has changed",
    "output-6-each-linktime": "issue 4: -vv calls a name with changed attributes alone up to date",
    "output-6-each-mode": "issue 4: -vv calls a name with changed attributes alone up to date",
    "output-6-each-owner": "issue 4: -vv calls a name with changed attributes alone up to date",
    "output-6-each-suid": "issue 4: -vv calls a name with changed attributes alone up to date",
}
