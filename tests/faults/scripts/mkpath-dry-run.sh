#!/bin/bash
# kind: --mkpath in a dry run
# user: root
B=$1; W=$(mktemp -d); cd $W; mkdir from; echo p >from/src; printf '#!/bin/sh\nshift\nexec "$@"\n' >rsh; chmod 755 rsh
$B -ain --mkpath from/src a/b/dst; echo "-n, local: exit $?"; $B -ain --mkpath -e $W/rsh --rsync-path=$B from/src h:$W/q/dst; echo "-n, push: exit $?"
$B -ain --mkpath -e $W/rsh --rsync-path=$B h:$W/from/src r/dst; echo "-n, pull: exit $?"; $B -ain --mkpath from/src c/d/; echo "-n, with a slash: exit $?"
$B -ain --mkpath --delete from/src z/b/dst; echo "-n --delete: exit $?"; $B -ain from/src no/dst 2>&1 | tail -1; ls -d a q r c z no 2>/dev/null; $B -ai --mkpath from/src a/b/dst; echo "real: exit $?"
cd /; rm -rf $W
