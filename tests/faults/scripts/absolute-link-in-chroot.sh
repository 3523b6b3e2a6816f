#!/bin/bash
# kind: links in a requested path of a module
# user: root
B=$1; PORT=$2; C=${PEER:-rsync}; W=$(mktemp -d); chmod 755 $W; cd $W; echo new >file
{ printf 'uid = 0\ngid = 0\nread only = no\nlog file = %s/log\n' $W; for ch in yes no; do printf '[%s]\npath = %s/m\nuse chroot = %s\n' $ch $W $ch; done; } >c
$B --daemon --no-detach --config=c --port=$PORT --address=127.0.0.1 </dev/null & D=$!; sleep 0.8
for ch in yes no; do for l in absolute relative outward nowhere; do
  rm -rf m; mkdir -p m/rel/1; echo f >m/rel/1/f; ln -s /rel/1 m/absolute; ln -s rel/1 m/relative; ln -s ../m/rel/1 m/outward; ln -s gone m/nowhere
  $C -r rsync://127.0.0.1:$PORT/$ch/$l/ >out 2>&1; rc=$?; n=$(grep -c ' f$' out)
  $C -a file rsync://127.0.0.1:$PORT/$ch/$l/ >out 2>&1; echo "chroot $ch, $l: pull $rc ($n listed), push $? ($(ls m/rel/1 | xargs))"
done; done
kill $D; wait $D 2>/dev/null; cd /; rm -rf $W
