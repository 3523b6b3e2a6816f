#!/bin/bash
# kind: %RSYNC_USER_NAME% in the path of a module without login
# user: root
B=$1; PORT=$2; C=${PEER:-rsync}; W=$(mktemp -d); cd $W; mkdir -p u/alice; echo 1 >u/all; echo 2 >u/alice/own; echo alice:pw >sec; chmod 600 sec
printf 'use chroot = no\nlog file = %s/log\n[u]\npath = %s/u/%%RSYNC_USER_NAME%%\n[a]\npath = %s/u/%%RSYNC_USER_NAME%%\nauth users = alice\nsecrets file = %s/sec\n' $W $W $W $W >c
$B --daemon --no-detach --config=c --port=$PORT --address=127.0.0.1 </dev/null & D=$!; sleep 0.8
$C -r rsync://127.0.0.1:$PORT/u/ >out 2>&1; echo "without a login: exit $?, $(grep -o 'all$\|own$\|@ERROR.*' out | xargs)"
RSYNC_PASSWORD=pw $C -r rsync://alice@127.0.0.1:$PORT/a/ >out 2>&1; echo "with one: exit $?, $(grep -o 'all$\|own$\|@ERROR.*' out | xargs)"
kill $D; wait $D 2>/dev/null; cd /; rm -rf $W
