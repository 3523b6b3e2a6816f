#!/bin/bash
# kind: numbers of thousands of digits
# What stands behind the digits is cut off: rsync cuts its lines, tain does not.
# user: root
B=$1; PORT=${2:-14905}; C=${PEER:-rsync}; W=$(mktemp -d); cd $W; mkdir m s; echo 1 >s/f; N=$(printf '9%.0s' $(seq 1 5000)); cut5() { sed 's/99999*.*/9+/' | head -1 | cut -c1-90; }
echo "== own command line"
for o in --max-size=$N --bwlimit=$N --block-size=$N --max-alloc=$N --stop-after=$N --info=stats$N --debug=flist$N --max-size=$(printf '9%.0s' $(seq 1 40)); do $B -a $o s/ o/ >out 2>&1; rc=$?; echo "${o%%999*}: exit $rc, $(grep -c Traceback out) tracebacks, $(cut5 <out)"; done
RSYNC_PROXY=127.0.0.1:$N $B rsync://127.0.0.1/x/ >out 2>&1; echo "port in RSYNC_PROXY: exit $?, $(grep -c Traceback out) tracebacks"
echo "== sent by a client to the daemon"
printf 'use chroot = no\nuid = 0\ngid = 0\nread only = no\nlog file = %s/log\n[m]\npath = %s/m\n' $W $W >c
$B --daemon --no-detach --config=c --port=$PORT --address=127.0.0.1 </dev/null 2>/dev/null & D=$!; sleep 0.8
for o in --max-size=$N --bwlimit=$N --max-alloc=$N --stop-after=$N --info=stats$N --usermap=$N:1 --usermap=zz; do $C -a -M$o s/ rsync://127.0.0.1:$PORT/m/ >out 2>&1; echo "${o%%999*}: exit $?, client reads: $(cut5 <out)"; done
kill $D; wait $D 2>/dev/null; grep -o 'connection process failed: [A-Za-z]*' log | sort | uniq -c; cd /; rm -rf $W
