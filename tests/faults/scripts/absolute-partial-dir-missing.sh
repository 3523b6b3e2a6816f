#!/bin/bash
# kind: an absolute --partial-dir that does not exist, or cannot be made
# user: root
B=$1; W=$(mktemp -d); cd $W; mkdir s; head -c 3000000 /dev/urandom >s/f; printf '#!/bin/sh\nshift\nexec "$@"\n' >rsh; chmod 755 rsh
say() { echo "$1: exit $2, $(cmp -s s/f d/f && echo 'f arrived' || echo 'f NOT THERE'), dir $(ls -d pd 2>/dev/null || echo 'not made'); $(head -1 err)"; rm -rf d pd; mkdir d; }
mkdir d
$B -a --delay-updates --partial-dir=$W/pd s/ d/ 2>err; say "local, dir missing" $?
$B -a --delay-updates --partial-dir=$W/pd -e $W/rsh --rsync-path=$B s/ h:$W/d/ 2>err; say "push, dir missing" $?
echo x >pd; $B -a --delay-updates --partial-dir=$W/pd s/ d/ 2>err; say "local, a plain file in its place" $?
$B -a --delay-updates --partial-dir=$W/no/such/pd s/ d/ 2>err; say "local, two levels missing" $?
$B -a --delay-updates --partial-dir=a/b s/ d/ 2>err; say "local, relative, two levels missing" $?
ln -s $W/real lnk; mkdir real; $B -a --delay-updates --partial-dir=$W/lnk/pd s/ d/ 2>err; echo "own link as parent: exit $?, $(cmp -s s/f d/f && echo 'f arrived' || echo 'f NOT THERE'), $(ls real)"; rm -rf d; mkdir d
echo "the good old file" >d/f; (timeout -s TERM 1 $B -a --no-whole-file --bwlimit=800 --partial-dir=$W/pd -e $W/rsh --rsync-path=$B s/ h:$W/d/ >/dev/null 2>&1); sleep 0.7
echo "push, interrupted, dir missing: the old file is now $(stat -c %s d/f) bytes ($(head -c 17 d/f | grep -aq 'good old' && echo intact || echo 'OVERWRITTEN by a partial')), pd: $(ls pd 2>/dev/null)"
cd /; rm -rf $W
