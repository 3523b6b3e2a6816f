#!/bin/bash
# kind: a source directory that its owner may not read, as an ordinary user
# user: ordinary
B=$1; W=$(mktemp -d); cd $W; for m in 300 100 500 000 200 400; do mkdir -p s/d; echo 1 >s/d/f; chmod $m s/d
for o in -a "-a --delete" "-rt"; do rm -rf t; mkdir t; $B $o s/ t/ 2>/dev/null; a=$?; one=$(stat -c %a t/d); $B $o s/ t/ 2>/dev/null; echo "$m $o: exit $a, mode $one; again $?, $(stat -c %a t/d)"; chmod 700 t/d; done; chmod 700 s/d; rm -rf s t; done; cd /; rm -rf $W
