"""Rows in which tain differs from rsync 3.5.0, with the reason and the issue that the difference belongs to.

A row leaves this table when its difference is gone; `make parity` lists what stays.
"""

from __future__ import annotations

#: By row id.
KNOWN: dict[str, str] = {
    "OPT-last-colon-list": "issue 4: the listing of several remote sources; nothing is written",
    "OPT-server-pull--qsort-130": "deliberate: rsync forwards a word that its own server refuses",
    "OPT-server-push--qsort-130": "deliberate: rsync forwards a word that its own server refuses",
    "OUT-format-long": "issue 4: an over-long format is refused before the destination is made",
    "TRF-22-alt": "issue 4: the warning about a foreign link is printed once; rsync prints it per process",
    "TRF-append-verify": "issue 4: the second try stands right behind the first; rsync does it after the other files",
    "TRF-sparse-inplace": "issue 4: fewer holes are punched in matched data; contents agree",
    "TRF-sparse-inplace-pull": "issue 4: as TRF-sparse-inplace",
    "TRF-sparse-inplace-push": "issue 4: as TRF-sparse-inplace",
    "TRF-unreadable-delete": "deliberate: nothing is deleted once a read error is known; rsync has begun by then",
}
