#!/bin/bash
# kind: the place of a bad rule in a merge file
# user: root
B=$1; W=$(mktemp -d); cd $W; mkdir -p src dst; echo 1 >src/f; echo SECRET-line >secret
e() { $B -r "$@" src/ dst/ 2>&1 | head -1 | sed "s#$W#W#g" | cut -c1-150; }
echo ': ../secret' >src/.rsync-filter; echo "1 $(e -F)"; printf ': a2\n' >src/.rsync-filter; printf ': a3\n' >src/a2; printf 'Zbad\n' >src/a3; echo "2 $(e -F)"
echo 'Zbad' >src/.rsync-filter; echo "3 $(e -F)"; rm src/.rsync-filter src/a2 src/a3; printf '. inner\n' >outer; echo Zbad >inner; echo "4 $(e --filter='. outer')"; echo Zbad >top; echo "5 $(e --filter='. top')"
mkdir src/sub; echo 1 >src/sub/f; printf ": sub/%s\n" $(printf "Q%.0s" $(seq 1 4075)) >src/.rsync-filter; echo "6 $(e -F)"
cd /; rm -rf $W
