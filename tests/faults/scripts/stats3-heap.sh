#!/bin/bash
# kind: heap statistics of --info=stats3
# user: root
B=$1; W=$(mktemp -d); cd $W; mkdir s; echo data >s/f; printf '#!/bin/sh\nshift\nexec "$@"\n' >rsh; chmod 755 rsh
$B -a --info=stats3 s/ d/ >o 2>&1; echo "local: $(grep -c 'heap statistics' o) blocks"; grep -A3 'heap statistics' o | head -4 | sed 's/[0-9][0-9]*/N/g'
$B -a --info=stats3 -e $W/rsh --rsync-path=$B s/ h:$W/e/ >o 2>&1; echo "push: $(grep -c 'heap statistics' o) blocks"; for x in --stats --info=stats2 -vvvv; do $B -a $x s/ g/ >o 2>&1; echo "$x: $(grep -c 'heap statistics' o) blocks"; done
cd /; rm -rf $W
