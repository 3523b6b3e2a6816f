#!/bin/bash
# kind: control bytes, deleted files and the root directory in a daemon's transfer log
# user: root
B=$1; PORT=$2; C=${PEER:-rsync}; W=$(mktemp -d); cd $W; mkdir m s in; printf x >"m/a
b"; echo gone >m/gone; chmod 640 m/gone; echo new >s/new
{ printf 'use chroot = no\nuid = 0\ngid = 0\nread only = no\nlog file = %s/log\ntransfer logging = yes\n' $W; printf '[m]\npath = %s/m\nlog format = %%o %%f %%B\n' $W; printf '[in]\npath = %s/in\nincoming chmod = D750\nlog format = %%o %%n\n' $W; } >c
$B --daemon --no-detach --config=c --port=$PORT --address=127.0.0.1 </dev/null & D=$!; sleep 0.8
$C -a rsync://127.0.0.1:$PORT/m/ d/; $C -a --delete s/ rsync://127.0.0.1:$PORT/m/; $C -a s/ rsync://127.0.0.1:$PORT/in/
$C "rsync://127.0.0.1:$PORT/no$(printf '\033')pe/" 2>&1 | head -1
for i in $(seq 1 50); do [ $(grep -c 'sent .* bytes' log) -ge 3 ] && break; sleep 0.1; done; kill $D; wait $D 2>/dev/null
sed 's/^[^]]*\] //' log | grep '^send\|^recv\|^del\|unknown module'; cd /; rm -rf $W
