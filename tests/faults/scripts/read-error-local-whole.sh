#!/bin/bash
# kind: a read error in a whole local copy
# user: root
# needs: strace
T=$1; D=$(mktemp -d); cd "$D" || exit 9; mkdir src dst
echo a > src/a; head -c 3000000 /dev/urandom > src/bad; echo z > src/zz; mkdir src/d; echo q > src/d/q
strace -f -qq -o /dev/null -P "$D/src/bad" -e trace=read,pread64,copy_file_range,sendfile,splice \
  -e inject=read,pread64,copy_file_range,sendfile,splice:error=EIO "$T" -a src/ dst/; echo "exit $?"
find dst -type f | sort | xargs
cd /; rm -rf "$D"
