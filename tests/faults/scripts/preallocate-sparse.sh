#!/bin/bash
# kind: --preallocate with --sparse
# user: root
B=$1; W=$(mktemp -d); cd $W; mkdir s; truncate -s 4M s/f; echo end >>s/f; for o in "" --sparse --preallocate "--sparse --preallocate"; do rm -rf d; $B -a $o s/ d/; echo "[$o]: exit $?, $(cmp s/f d/f && echo same), $([ $(stat -c %b d/f) -ge 8192 ] && echo allocated || echo sparse)"; done; cd /; rm -rf $W
