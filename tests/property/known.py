"""Seeds that are left out of the comparison, with the reason.

A seed leaves this table when its difference is gone. Whoever changes the generator makes other cases of all seeds, and
has to look at these again.
"""

from __future__ import annotations

KNOWN: dict[int, str] = {
    733: "rsync lists a directory twice with incremental recursion that --files-from names, then names a file of, then "
    "names the parent of: its entries count twice in --stats; tain lists and counts them once",
    1593: "a backup directory inside the destination, made for a file whose data comes while the list of the "
    "destination itself is being finished: of 120 runs of rsync alone the destination's time was now in 57",
    1689: "rsync's sender ends over a mistake in a merge file with its list still in its buffer, so that the client "
    "knows nothing but the end of the connection (code 12); tain sends it the cause (code 1)",
    1915: "--fuzzy with a similar file that a directory replaces in the same run: rsync's generator may have removed "
    "it when its receiver looks at its mode (of three equal runs beside 3,000 files one saw it)",
    1920: "a file that fails its verification is asked for again while rsync's receiver at the far end still sets its "
    "mode: whether the second item shows a change of mode depends on how fast the sender is",
    51221: "--inplace over two names of one file: rsync's generator looks at the second name before or after its "
    "receiver has written the first (with 4,000 equal files between them it was written by then in 10 of 10 runs, with "
    "none in 0 of 10)",
    51936: "--fuzzy: the similar file is itself replaced, and then has the size and the time of the new one: rsync's "
    "generator lists the directory before or after its receiver has renamed it (with 4,000 equal files between them it "
    "was renamed by then in 8 of 10 runs, with none in 0 of 10)",
}
