#!/bin/bash
# kind: widths in --out-format
# user: root
B=$1; W=$(mktemp -d); cd $W; mkdir s; echo data >s/f
t() { rm -rf d; echo "<$1> $($B -ac --out-format="$1" s/f d/ 2>&1 | tail -1 | sed 's/[0-9a-f]\{32\}$/SUM/' | cut -c1-70)"; }
for n in 20 21 22 23 24 31; do z=$(printf '0%.0s' $(seq 1 $n)); echo "$n digits:"; t "%${z}n"; t "%-${z}n"; t "%'${z}l"; done
t "%$(printf "0%.0s" $(seq 1 26))%C"; t '%5%C'; t '%%C'; t '%10n|'; t '%-10n|'
cd /; rm -rf $W
