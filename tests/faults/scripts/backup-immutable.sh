#!/bin/bash
# kind: --backup of a file that cannot be renamed
# user: root
# needs: chattr
T=$1; D=$(mktemp -d); cd "$D" || exit 9; mkdir src dst; for f in a f z; do echo new > src/$f; echo o > dst/$f; done
chattr +i dst/f; "$T" -a -b src/ dst/; echo "exit $?: $(cat dst/a dst/z | xargs)"; chattr -i dst/f
cd /; rm -rf "$D"
