"""Trees with more small files than are copied without workers (spec: transfer 6, 12)."""

from __future__ import annotations

from tests.parity.harness import Row

FILES = " ".join(f"src/d{i % 3}/f{i:02}=text{i};n={i}" for i in range(90))

EDITED_FILES = FILES + " " + " ".join(f"dst/d{i % 3}/f{i:02}=older{i % 4};t=-{i % 5}" for i in range(0, 90, 2))

EXTRA = EDITED_FILES + " dst/d1/gone dst/d3/gone"

ROWS = [
    Row("TRF-many-files", f"src/ {FILES}", "-ai src/ dst/"),
    Row("TRF-many-again", f"src/ {FILES}", "-ai src/ dst/", then=["-aii src/ dst/"]),
    Row("TRF-many-stats", f"src/ {EDITED_FILES}", "-a --stats src/ dst/"),
    Row("TRF-many-no-times", f"src/ {EDITED_FILES}", "-ri src/ dst/", nsec=False),
    Row("TRF-many-delete", f"src/ {EXTRA}", "-ai --delete src/ dst/"),
    Row("TRF-many-delete-after", f"src/ {EXTRA}", "-ai --delete-after src/ dst/"),
    Row("TRF-many-whole-list", f"src/ {EXTRA}", "-ai --no-inc-recursive --delete src/ dst/"),
    Row("TRF-many-relative", f"src/ {EXTRA}", "-aiR --delete src/d0/f00 src/d1 src/d0 dst/"),
    Row("TRF-many-unreadable", f"src/ {FILES} src/d1/no;m=0 src/d2/no;m=0", "-ai src/ dst/", user=True),
    Row("TRF-many-unwritable", f"src/ {FILES} dst/ dst/d1/;m=0500", "-rli src/ dst/", user=True),
    Row("TRF-many-temp", f"src/ {EDITED_FILES} tmp/", "-ai -T {w}/tmp src/ dst/"),
    Row("TRF-many-fsync", f"src/ {EDITED_FILES}", "-ai --fsync src/ dst/"),
    Row("TRF-many-n", f"src/ {EDITED_FILES}", "-ani src/ dst/"),
    Row("TRF-many-acls", f"src/ {EDITED_FILES}", "-aiAXU src/ dst/"),
    Row("TRF-many-chmod", f"src/ {EDITED_FILES}", "-ai --chmod=F600,Dg+s --chown=5:6 src/ dst/"),
    Row("TRF-many-link-dest", f"src/ {EDITED_FILES} old/ old/d0/f00=text0;n=0", "-ai --link-dest=../old src/ dst/"),
    Row("TRF-many-backup", f"src/ {EDITED_FILES}", "-aib src/ dst/"),
    Row("TRF-many-files-from", f"src/ {FILES}", "-ai --files-from=- src dst/", stdin=b"d1\nd0/f00\nd2/f02\n"),
]
