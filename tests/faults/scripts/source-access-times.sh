#!/bin/bash
# kind: access times of what is copied
# user: root
B=$1; W=$(mktemp -d); cd $W; printf '#!/bin/sh\nshift\nexec "$@"\n' >rsh; chmod 755 rsh
t() { rm -rf s d; mkdir s; : >s/empty; echo 1 >s/full; touch -a -d 2001-01-01 s/empty s/full; "$@"; echo "$l: source empty $(stat -c %x s/empty | cut -c1-4), copies: $(stat -c %x d/empty | cut -c1-4) $(stat -c %x d/full | cut -c1-4)"; }
l="local -aU" t $B -aU s/ d/; l="local -a" t $B -a s/ d/; l="push -aU" t $B -aU -e $W/rsh --rsync-path=$B s/ h:$W/d/; l="pull -aU" t $B -aU -e $W/rsh --rsync-path=$B h:$W/s/ d/
cd /; rm -rf $W
