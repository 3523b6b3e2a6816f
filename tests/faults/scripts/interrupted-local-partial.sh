#!/bin/bash
# kind: an interrupted local copy keeps what it has written
# user: root
B=$1; W=$(mktemp -d); cd $W; mkdir -p s/d; head -c 8000000 /dev/urandom >s/d/f; printf '#!/bin/sh\nshift\nexec "$@"\n' >rsh; chmod 755 rsh
go() { sig=$1; l=$2; shift 2; rm -rf t pd; mkdir t; "$@" >/dev/null 2>&1 & p=$!
  i=0; while [ $i -lt 200 ] && [ -z "$(find t -name '.f.*' -size +0)" ]; do sleep 0.02; i=$((i+1)); done
  sleep ${HOLD:-0.3}; kill -$sig $p; wait $p; rc=$?; sleep 0.7; echo "$l, SIG$sig: exit $rc, kept: $(find t pd -type f -size +0 2>/dev/null | tr '\n' ' ')"; }
O="-a --no-whole-file --bwlimit=800"
for s in TERM INT HUP; do go $s "local --partial" $B $O --partial s/ t/; done
go TERM "local --partial --whole-file" $B -a -W --bwlimit=800 --partial s/ t/
go TERM "local --partial-dir=.pp" $B $O --partial-dir=.pp s/ t/
mkdir pd0; go TERM "local --partial-dir=ABS (is there)" $B $O --partial-dir=$W/pd0 s/ t/; ls pd0
go TERM "local --partial --delay-updates" $B $O --partial --delay-updates s/ t/
echo small >s/a; go TERM "local --partial, a small file copied before" $B $O --partial s/ t/; rm s/a
go TERM "push --partial" $B $O --partial -e $W/rsh --rsync-path=$B s/ h:$W/t/
cd /; rm -rf $W
