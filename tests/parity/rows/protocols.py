"""Protocols 20 to 28, as both ends show them (spec: protocol-old 1.5, 2.4, 6.3)."""

from __future__ import annotations

from tests.parity.harness import Row

OLD_TREE = (
    "src/ src/a=new src/d/ src/d/c src/e;m=0600 src/l->a dst/ dst/a=old dst/e;m=0644 dst/gd/ dst/gd/x dst/gone dst/z"
)


def both_ways(name: str, options: str, *protocols: int) -> list[Row]:
    """A push and, where rsync can do it, a pull over a shell."""
    rows = []
    for p in protocols:
        words = f"{options} --protocol={p}"
        rows.append(Row(f"PRO-{name}-{p}-push", OLD_TREE, f"{words} src/ h:{{w}}/dst/", via="shell"))
        if p >= 23:
            rows.append(Row(f"PRO-{name}-{p}-pull", OLD_TREE, f"{words} h:{{w}}/src/ dst/", via="shell"))
    return rows


ROWS = (
    both_ways("81-a", "-a", 20, 22, 23, 26)
    + both_ways("81-n", "-an", 20, 23)
    + both_ways("81-q", "-aq", 20, 24)
    + both_ways("102-stats", "-a --stats", 23, 26)
    + both_ways("81-v", "-av --delete", 20, 23, 26)
    + both_ways("81-delete-excluded", "-av --delete-excluded --exclude=z", 20, 26)
    + both_ways("81-list", "--list-only", 26)
    + both_ways("93-X", "-aX", 26)
    + both_ways("93-m", "-am", 26)
    + [
        Row(f"PRO-81-local-{name}", OLD_TREE, f"{options} src/ dst/")
        for name, options in (
            ("v", "-av --delete --protocol=23"),
            ("i", "-ai --protocol=24"),
            ("H", "-aH --protocol=26"),
            ("c", "-avc --delete --protocol=26"),
        )
    ]
    + [Row("PRO-91-after-24", OLD_TREE, "-av --delete-after --protocol=24 src/ h:{w}/dst/", via="shell")]
    + [
        # The order of deletions below 29 is that of the names' bytes.
        Row(f"PRO-90-order-{p}", OLD_TREE, f"-av --delete --protocol={p} src/ h:{{w}}/dst/", via="shell")
        for p in (27, 28)
    ]
)
