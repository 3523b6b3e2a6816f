#!/bin/bash
# kind: a bare name in a daemon's exclude
# user: root
B=$1; PORT=${2:-14906}; C=${PEER:-rsync}; W=$(mktemp -d); cd $W; mkdir s; echo n >s/f
{ printf 'use chroot = no\nuid = 0\ngid = 0\nread only = no\nlog file = %s/log\n' $W; for m in bare:/ex slash:/ex/ stars:'/ex/***' name:ex; do printf '[%s]\npath = %s/m\nexclude = %s\n' ${m%%:*} $W "${m#*:}"; done; } >c
$B --daemon --no-detach --config=c --port=$PORT --address=127.0.0.1 </dev/null & D=$!; sleep 0.8
for m in bare slash stars name; do U=rsync://127.0.0.1:$PORT/$m
t() { rm -rf m o; mkdir -p m/ex/sub; echo k >m/ex/x; echo old >m/f; "$@" >out 2>&1; echo "$m: $l: exit $?"; }
l="push a file to ex/new" t $C -a s/f $U/ex/new; l="push into ex/sub/" t $C -a s/ $U/ex/sub/; l="push into ex/" t $C -a s/ $U/ex/; l="pull ex/x" t $C -a $U/ex/x o/
l="--backup-dir=/ex/b" t $C -ab --backup-dir=/ex/b s/ $U/; l="--compare-dest=/ex/sub" t $C -a --compare-dest=/ex/sub s/ $U/; l="--temp-dir=/ex/sub" t $C -a -T/ex/sub s/ $U/; l="--partial-dir=/ex/sub" t $C -a --partial-dir=/ex/sub s/ $U/; l="--partial-dir=/ex" t $C -a --partial-dir=/ex s/ $U/; done
kill $D; wait $D 2>/dev/null; cd /; rm -rf $W
