#!/bin/bash
# kind: paths below /dev/fd and process substitution
# user: root
B=$1; W=$(mktemp -d); chmod 777 $W; cd $W
cat >t.sh <<'X'
B=$1; cd $2; rm -rf s d; mkdir s d; echo 1 >s/f; echo 2 >s/g; echo f >list; exec 7<d 8<list
t() { l=$1; shift; rm -f d/*; "$@" >out 2>&1; echo "$l: exit $?, got: $(ls d | tr '\n' ' ')$(grep -v '^refusing\|^rsync error' out | head -1)"; }
t "--files-from=<(..)" bash -c "$B -a --files-from=<(echo g) s/ d/"
t "--exclude-from=<(..)" bash -c "$B -a --exclude-from=<(echo g) s/ d/"
t "--filter='. '<(..)" bash -c "$B -a --filter='. '<(echo '- g') s/ d/"
t "--files-from=/dev/fd/N (a file)" $B -a --files-from=/dev/fd/8 s/ d/
t "--log-file=/proc/self/fd/N/x" $B -a --log-file=/proc/self/fd/7/x s/ d/
t "destination /proc/self/fd/N/" $B -a s/ /proc/self/fd/7/
t "--confine-root=d, --log-file=/proc/self/fd/N/x (in d)" $B -a --confine-root=$2/d --log-file=/proc/self/fd/7/x s/ d/
t "--confine-root=d, --files-from outside of d" $B -a --confine-root=$2/d --files-from=$2/list s/ d/
X
echo "== ordinary"; bash t.sh $B $W; rm -rf s d list out
echo "== user namespace, /proc mounted inside"; setpriv --reuid=65534 --regid=65534 --clear-groups unshare --user --map-root-user --mount --pid --fork --mount-proc bash t.sh $B $W
cd /; rm -rf $W
