"""-x and mount points (spec: transfer 2)."""

from __future__ import annotations

from tests.parity.common import row
from tests.parity.harness import Row

MOUNTS = [
    row(
        f"TRF-x-{number}",
        "!mkdir -p src/m src/d/n; mount -t tmpfs none src/m; mount -t tmpfs none src/d/n; echo x >src/m/x; echo y >src/d/n/y; touch -d @1700000000 src/m/x src/m src/d/n/y src/d/n src/d src",
        "src/a src/d/b",
        then=[f"{options} src{slash} dst/", "!umount src/m src/d/n"],
    )
    for number, (options, slash) in enumerate(
        [
            ("-ai", "/"),
            ("-aix", "/"),
            ("-aixx", "/"),
            ("-aix", ""),
            ("-aixx --info=mount", ""),
            ("-aixv", "/"),
            ("-aix --delete", "/m src/"),
            ("-aixR", "/m/x src/"),
            ("-aixd --no-r", "/"),
        ]
    )
]

ROWS: list[Row] = [*MOUNTS]
