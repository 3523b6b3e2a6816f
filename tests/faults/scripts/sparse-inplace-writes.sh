#!/bin/bash
# kind: --sparse --inplace writes only what differs
# user: root
# needs: strace
T=$1; D=$(mktemp -d); cd "$D" || exit 9; mkdir src dst; head -c 20M /dev/urandom > src/f; cp src/f dst/f
printf abcd | dd of=src/f bs=1 seek=10000000 conv=notrunc status=none; touch -d 2001-01-01 dst/f
strace -f -qq -o tr -P "$D/dst/f" -e trace=write,pwrite64 "$T" -a --inplace --sparse --no-whole-file src/ dst/
grep -oE '= [0-9]+$' tr | awk '{s+=$2} END {print s, "bytes written"}'
cd /; rm -rf "$D"
