#!/bin/bash
# kind: a source that shrinks while it is copied locally
# user: root
B=$1; W=$(mktemp -d); cd $W; head -c 4000000 /dev/urandom >orig
go() { # label, what is at the destination before, size the source is cut to, options
  l=$1; pre=$2; cut=$3; shift 3; rm -rf s d; mkdir s d; cp orig s/a; echo later >s/b; eval "$pre"
  $B -a --no-whole-file --bwlimit=1500 "$@" s/ d/ >out 2>&1 & p=$!
  sleep 0.9; truncate -s $cut s/a; wait $p; rc=$?
  if cmp -s s/a d/a; then v="same as the source now"; else v="NOT the source: $(tail -c 900000 d/a | tr -d '\0' | wc -c) nonzero of the last 900000 bytes"; fi
  echo "$l: exit $rc, size $(stat -c %s d/a), $v; b $(cmp -s s/b d/b && echo there); $(grep -c 'read errors' out) message"; }
go "new file, source emptied         " : 0
go "new file, source cut to 3000000  " : 3000000
go "over an old file, source emptied " 'echo old >d/a' 0
go "over an old file, cut to 3000000 " 'echo old >d/a' 3000000
go "--inplace over an old file, cut  " 'echo old >d/a' 3000000 --inplace
go "--sparse, cut                    " : 3000000 -S
cd /; rm -rf $W
