#!/bin/bash
# kind: a log cut while it is copied locally
# user: root
T=$1; D=$(mktemp -d); cd "$D" || exit 9; mkdir src
head -c 3000000 /dev/urandom > src/log
(sleep 1; truncate -s 100000 src/log) & "$T" -a --bwlimit=1000 src/ dst/; echo "exit $?"; wait
stat -c %s src/log dst/log
cd /; rm -rf "$D"
