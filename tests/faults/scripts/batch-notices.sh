#!/bin/bash
# kind: options that a batch sets or clears when it is read
# user: root
B=$1; W=$(mktemp -d); cd $W; mkdir s; echo 1 >s/f; ln s/f s/g; ln -s f s/l
for w in -a -aH -azX -r -rlHD -aA; do rm -rf b b.sh d e; $B $w --write-batch=b s/ d/; for r in -r -a -aHAXz -v -dtU; do rm -rf e; echo "# written $w, read $r"; $B $r -i --read-batch=b e/ >o 2>&1; rc=$?; grep "^Setting\|^Clearing" o; grep -v "^Setting\|^Clearing" o | LC_ALL=C sort; echo "exit $rc"; done; done
cd /; rm -rf $W
