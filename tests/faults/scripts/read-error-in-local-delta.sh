#!/bin/bash
# kind: a read error in a local copy with a basis
# user: root
# needs: strace
T=$1; D=$(mktemp -d); cd "$D" || exit 9; mkdir src dst
head -c 3000000 /dev/urandom > src/f; cp src/f keep
head -c 2990000 src/f > dst/f; touch -d 2001-01-01 dst/f
strace -f -qq -o /dev/null -P "$D/src/f" -e trace=read,pread64 -e inject=read,pread64:error=EIO:when=3+ \
  "$T" -a --no-whole-file --remove-source-files src/ dst/; echo "exit $?"
ls src; cmp keep dst/f 2>&1 | cut -c1-38; stat -c '%s %y' dst/f
cd /; rm -rf "$D"
