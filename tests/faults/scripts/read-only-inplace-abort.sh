#!/bin/bash
# kind: an aborted in-place update of a read-only file
# user: ordinary
B=$1; W=$(mktemp -d); cd $W; mkdir s; head -c 8000000 /dev/urandom >s/f; printf '#!/bin/sh\nshift\nexec "$@"\n' >rsh; chmod 755 rsh
go() { l=$1; shift; rm -rf d; mkdir d; head -c 1000000 s/f >d/f; chmod 444 d/f; timeout -s ${SIG:-TERM} 1 $B -r --bwlimit=1000 "$@" >/dev/null 2>&1; sleep 0.6; echo "$l: mode $(stat -c %a d/f)"; chmod u+w d/f; }
go "local --inplace" --inplace s/f d/
go "local --append" --append s/f d/
go "push --inplace" --inplace -e $W/rsh --rsync-path=$B s/f h:$W/d/
go "pull --inplace" --inplace -e $W/rsh --rsync-path=$B h:$W/s/f d/
SIG=KILL go "local --inplace, SIGKILL" --inplace s/f d/
go "local without --inplace" s/f d/
rm -rf d; mkdir d; echo old >d/f; chmod 444 d/f; $B -r --inplace s/f d/; echo "finished --inplace: exit $?, mode $(stat -c %a d/f), $(cmp -s s/f d/f && echo same)"
chmod -R u+w d; cd /; rm -rf $W
