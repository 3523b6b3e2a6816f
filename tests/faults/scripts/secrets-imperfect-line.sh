#!/bin/bash
# kind: an imperfect line in a secrets file
# user: root
B=$1; PORT=$2; C=${PEER:-rsync}; W=$(mktemp -d); cd $W; mkdir m; echo 1 >m/a
printf 'use chroot = no\nlog file = %s/log\n[m]\npath = %s/m\nauth users = alice\nsecrets file = %s/sec\n' $W $W $W >c
$B --daemon --no-detach --config=c --port=$PORT --address=127.0.0.1 </dev/null & D=$!; sleep 0.8
t() { printf "$2" >sec; chmod 600 sec; RSYNC_PASSWORD=pw1 $C -r rsync://alice@127.0.0.1:$PORT/m/ >out 2>&1; echo "$1: exit $?, $(grep -c ' a$' out) listed"; }
t "comment with a semicolon" '; users\nalice:pw1\n'
t "line of blanks" '   \nalice:pw1\n'
t "indented comment" '  # users\nalice:pw1\n'
t "section" '[users]\nalice:pw1\n'
t "no colon, at the end" 'alice:pw1\njunk\n'
t "no password" 'bob:\nalice:pw1\n'
t "no name" ':x\nalice:pw1\n'
t "group without a name" '@:x\nalice:pw1\n'
t "long line" "$(printf 'x%.0s' $(seq 1 1500)):y\nalice:pw1\n"
t "NUL in the line of another" 'bob:x\0y\nalice:pw1\n'
t "wrong password" 'alice:other\n'
kill $D; wait $D 2>/dev/null; cd /; rm -rf $W
