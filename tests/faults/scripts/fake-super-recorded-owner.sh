#!/bin/bash
# kind: the owner that --fake-super records
# user: ordinary
# needs: setfattr
B=$1; W=$(mktemp -d); cd $W; mkdir s d; me=$(id -u)
mk() { : >$1; setfattr -n user.rsync.%stat -v "$2" $1; }
show() { getfattr -n user.rsync.%stat --only-values $1 2>/dev/null | sed "s/\b$me\b/ME/g" || true; }
for cur in "60644 42,73 77:88" "100644 0,0 77:88" "100600 0,0 0:0"; do for new in "60644 105,73 55:66" "20600 1,2 5:6" "100640 0,0 5:6"; do for o in -D -Do -a; do
rm -f s/x d/x; mk s/x "$new"; echo data >s/x; touch -d 2001-01-01 s/x; mk d/x "$cur"; it=$($B --fake-super $o -i s/x d/ 2>&1 | head -1); echo "kept [$cur], sent [$new], $o: now [$(show d/x)] $it"; done; done; done
cd /; rm -rf $W
