#!/bin/bash
# kind: a module path behind links of other users
# user: root
B=$1; PORT=${2:-14904}; C=${PEER:-rsync}; W=$(mktemp -d); chmod 755 $W; cd $W; mkdir -p real/sub; echo 1 >real/canary; echo 2 >real/sub/deep
ln -s $W/real leaf; ln -s $W/real par; chown -h nobody leaf par; ln -s $W/real mine
{ echo "log file = $W/log"; for m in leaf:no:$W/leaf parent:no:$W/par/sub mine:no:$W/mine chroot:yes:$W/leaf; do IFS=: read n ch p <<X
$m
X
printf '[%s]\npath = %s\nuse chroot = %s\n' $n $p $ch; done; printf '[insecure]\npath = %s/leaf\nuse chroot = no\ninsecure links = yes\n' $W; } >c
$B --daemon --no-detach --config=c --port=$PORT --address=127.0.0.1 </dev/null & D=$!; sleep 0.8
for m in leaf parent mine chroot insecure; do $C rsync://127.0.0.1:$PORT/$m/ >o 2>&1; echo "$m: exit $?, $(grep -o 'canary\|deep\|@ERROR.*' o | tr '\n' ' ')"; done
kill $D; wait $D 2>/dev/null; grep 'chdir' log | sed "s/^[^]]*\] //; s#$W#W#" | grep -v refusing; cd /; rm -rf $W
