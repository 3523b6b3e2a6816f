#!/bin/bash
# kind: --delay-updates --remove-source-files and a file that cannot be placed
# user: root
# needs: chattr
T=$1; D=$(mktemp -d); cd "$D" || exit 9; mkdir src dst
for f in a f z; do echo new > src/$f; echo o > dst/$f; done; chattr +i dst/f
"$T" -a --delay-updates --remove-source-files src/ dst/; echo "exit $?: source: $(ls src | xargs); destination: $(cat dst/a dst/f dst/z | xargs)"
chattr -i dst/f; cd /; rm -rf "$D"
