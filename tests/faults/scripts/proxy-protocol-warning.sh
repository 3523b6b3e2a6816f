#!/bin/bash
# kind: the warning about PROXY protocol without hosts
# user: root
B=$1; PORT=${2:-14907}; W=$(mktemp -d); cd $W; mkdir m
for l in "log file = $W/log" ""; do printf 'proxy protocol = yes\nuse chroot = no\n%s\n[m]\npath = %s/m\n' "$l" $W >c; rm -f log
$B --daemon --no-detach --config=c --port=$PORT --address=127.0.0.1 </dev/null 2>err & D=$!; sleep 0.8; kill $D; wait $D 2>/dev/null
echo "[${l:+with a log file}] log: $(grep -c 'hosts. is unset' log 2>/dev/null), standard error: $(grep -c 'hosts. is unset' err)"; done; cd /; rm -rf $W
