"""--compress-choice and --checksum-choice, as the ends agree on them (spec: protocol 2.4 to 2.6)."""

from __future__ import annotations

from tests.parity.common import BIG, EDITED, both, over, versions
from tests.parity.harness import Row
from tests.parity.tree import Dir, File, Tree, filler

COMPRESS = [
    item
    for name in ["zstd", "lz4", "zlibx", "zlib"]
    for item in both(
        f"TRF-zc-{name}",
        f"-ai --no-W --zc={name} --stats",
        [
            Dir("src"),
            File("src/big", content=EDITED),
            File("src/text", content=b"words and words\n" * 20_000),
            Dir("dst"),
            File("dst/big", content=BIG, time=-9),
        ],
    )[1:]
] + [
    item
    for name in ["xxh128", "xxh3", "xxh64", "md5", "md4", "sha1", "none"]
    for item in both(
        f"TRF-cc-{name}",
        f"-ai --no-W --cc={name} --stats",
        [Dir("src"), File("src/big", content=EDITED), Dir("dst"), File("dst/big", content=BIG, time=-9)],
    )[1:]
]

OLDER: Tree = [
    File("src/big", content=filler(b"wire", 90_000)),
    File("dst/big", content=filler(b"wire", 90_000)[:40_000] + b"#" + filler(b"wire", 90_000)[40_000:], time=-9),
    "src/same=x;t=3 dst/same=x;t=1",
]

SUMS = [
    row
    for choice in ("auto,md5", "auto,xxh3", "md5,auto", "none,auto", "MD5,xxhash", "auto,auto", "xxh64,sha1")
    for row in versions(
        f"PRO-5-{choice}", f"-aic --stats --checksum-seed=7 --debug=NSTR --cc={choice}", OLDER, (29, 30, 32)
    )
] + [
    *versions("PRO-5-none", "-aic --cc=md5,none", OLDER, (29, 32), stderr=False),
    *over("PRO-8-names", "-a --cc=a,b,c", OLDER),
    *over("PRO-8-names-2", "-a --cc=md5,md5,md5", OLDER),
    # A file that is requested again is not compared.
    *versions("PRO-52-c", "-aic --append-verify",
              [File("src/a", content=b"whole text"), File("dst/a", content=b"#hole", time=-1)], (29, 30, 32)),
]  # fmt: skip

ROWS: list[Row] = [*COMPRESS, *SUMS]
