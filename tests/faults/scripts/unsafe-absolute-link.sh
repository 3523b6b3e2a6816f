#!/bin/bash
# kind: --copy-unsafe-links and links that lead nowhere
# user: root
B=$1; W=$(mktemp -d); cd $W; mkdir s; echo out >out; ln -s /nowhere/abs s/absolute; ln -s ../out s/outside; ln -s ../gone s/gone; ln -s inside s/inside2; echo 1 >s/inside
for o in -avv -av -ai; do rm -rf d; $B $o --copy-unsafe-links s/ d/ 2>&1 | grep -v '^sent\|^total\|^$'; echo "$o: exit ${PIPESTATUS[0]}"; done; cd /; rm -rf $W
