"""Rows in which tain differs from rsync 3.5.0, with the reason.

A row leaves this table when its difference is gone; `make parity` lists what stays.
"""

from __future__ import annotations

#: By row id.
KNOWN: dict[str, str] = {
    "OPT-last-colon-list": "deliberate: rsync writes into a local path named as the last remote one; tain only lists",
    "OUT-format-long": "deliberate: which attributes the new directory has got when rsync's sender refuses is a race",
    "options-2-confined-backup": "deliberate: rsync goes on without the backup and says nothing",
    "options-2-confined-link": "deliberate: tain does not look into a directory outside; rsync does, and fails later",
    "options-2-confined-temp": "deliberate: tain makes no file outside; rsync makes it and fails to rename it",
    "filters-13.2-nodir-5": "deliberate: tain's sender tells the other end with which code it ends",
    "filters-13.2-nodir-6": "deliberate: as filters-13.2-nodir-5; rsync's client only sees the connection close (12)",
    "TRF-10-append-S": "deliberate: rsync 3.5.0 replaces the part that was there by a hole; tain keeps it",
    "TRF-11-compare-partial": "deliberate: more of a partial file is used than in an update in place; contents agree",
    "TRF-11-copy-partial": "deliberate: as TRF-11-compare-partial",
    "TRF-11-link-partial": "deliberate: as TRF-11-compare-partial",
    "TRF-26-K-delete-outside": "deliberate: a directory outside is not even listed; nothing is deleted by either",
    "TRF-9-abs": "deliberate: as TRF-11-compare-partial",
    "TRF-9-basis": "deliberate: as TRF-11-compare-partial",
    "TRF-9-delay-basis": "deliberate: as TRF-11-compare-partial",
    "TRF-9-fuzzy": "deliberate: as TRF-11-compare-partial",
    "OPT-checksum-none-c-over-pull": "deliberate: both ends refuse; tain's client says why, rsync's ends with 12",
    "TRF-26-K-delete-outside-down": "deliberate: as TRF-26-K-delete-outside",
    "TRF-fuzzy-11-up": "deliberate: rsync's daemon loses a similar file of an alternate directory; tain finds it",
    "TRF-10-copy-dest-append": "deliberate: rsync leaves the file out where an alternate directory has a longer one",
    "TRF-10-copy-dest-append-over-daemon-push": "deliberate: as TRF-10-copy-dest-append",
    "OPT-hangul-utf8-euckr-pull": "deliberate: the names are no EUC-KR; glibc takes bytes from 0x80 to 0x9f",
    "OPT-hangul-dot-euckr-pull": "deliberate: as OPT-hangul-utf8-euckr-pull",
    "B2-shorter": "deliberate: rsync's file begins with the bytes of another one",
    "B2-shorter-over-pull": "deliberate: as B2-shorter",
    "B2-local": "deliberate: rsync leaves the file out, and then deletes the similar one",
}
