#!/bin/bash
# kind: --delay-updates with a partial directory of another user
# user: root
# needs: setpriv
T=$1; D=$(mktemp -d); cd "$D" || exit 9; chmod 755 .; mkdir src dst; echo new > src/f; echo old > dst/f; touch -d 2001-01-01 dst/f
chown -R 65534:65534 src dst; mkdir -m 755 dst/.~tmp~
setpriv --reuid 65534 --regid 65534 --clear-groups "$T" -rt --delay-updates src/ dst/; echo "exit $?: $(cat dst/f)"
setpriv --reuid 65534 --regid 65534 --clear-groups "$T" -rt --delay-updates --remove-source-files src/ dst/; echo "exit $?: $(cat dst/f); source: $(ls src)"
cd /; rm -rf "$D"
