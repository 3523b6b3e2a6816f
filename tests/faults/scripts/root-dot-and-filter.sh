#!/bin/bash
# kind: a daemon filter that matches the transfer's root
# user: root
B=$1; PORT=${2:-14902}; C=${PEER:-rsync}; W=$(mktemp -d); cd $W; mkdir s; echo 1 >s/keep.txt; echo 2 >s/b; touch -d 2001-01-01 s
for p in '.*' '?' '*' './' '.' '**' '[.x]'; do
  printf 'use chroot = no\nuid = 0\ngid = 0\nread only = no\nlog file = %s/log\n[m]\npath = %s/m\nfilter = + *.txt - %s\n' $W $W "$p" >c
  $B --daemon --no-detach --config=c --port=$PORT --address=127.0.0.1 </dev/null & D=$!; sleep 0.8
  rm -rf m; mkdir m; echo o >m/old.txt; $C -a --delete s/ rsync://127.0.0.1:$PORT/m/ 2>err; rc=$?
  echo "filter '+ *.txt - $p': push exit $rc, module: $(ls m | tr '\n' ' '), time of its root $(stat -c %y m | cut -c1-4); $(head -1 err)"
  kill $D; wait $D 2>/dev/null
done; cd /; rm -rf $W
