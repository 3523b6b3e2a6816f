#!/bin/bash
# kind: a log cut while it is copied locally with a basis
# user: root
T=$1; D=$(mktemp -d); cd "$D" || exit 9; mkdir src dst
python3 -c 'import random, sys; sys.stdout.buffer.write(random.Random(1).randbytes(6000000))' > src/log; head -c 3000000 src/log > dst/log; touch -d 2001-01-01 dst/log
(sleep 1; truncate -s 3500000 src/log) & "$T" -a --no-whole-file --bwlimit=1000 src/ dst/; echo "exit $?"; wait
stat -c %s src/log dst/log; tail -c 2000000 dst/log | tr -d '\0' | wc -c
cd /; rm -rf "$D"
