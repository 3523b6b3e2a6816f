#!/bin/bash
# kind: the second try of --append-verify
# Whether the second item has a "t" depends on the second in which it is written.
# user: root
B=$1; W=$(mktemp -d); cd $W; printf '#!/bin/sh\nshift\nexec "$@"\n' >rsh; chmod 755 rsh; mkdir s; python3 -c 'import random; open("s/f","wb").write(random.Random(1).randbytes(3000000))'
for r in local push pull; do rm -rf d; mkdir d; head -c 2000000 s/f >d/f; printf XX | dd of=d/f bs=1 seek=1000 conv=notrunc status=none; touch -d 2001-01-01 d/f
case $r in local) set -- s/ d/;; push) set -- -e $W/rsh --rsync-path=$B s/ h:$W/d/;; pull) set -- -e $W/rsh --rsync-path=$B h:$W/s/ d/;; esac
$B -ai --append-verify --no-whole-file --stats "$@" 2>err | grep 'f$\|Matched\|Literal\|Number of regular\|WARN\|f failed' | sed 's/^\([<>]f\.\.\)[t.]\./\1?./'; grep -v '^rsync error' err; cmp s/f d/f && echo "$r: same"; done; cd /; rm -rf $W
