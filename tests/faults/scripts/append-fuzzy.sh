#!/bin/bash
# kind: --append --fuzzy
# user: root
T=$1; D=$(mktemp -d); cd "$D" || exit 9; mkdir src dst
printf '#!/bin/sh\nshift; exec sh -c "$*"\n' > rsh; chmod +x rsh
head -c 9000 /dev/urandom > src/foo.log; head -c 12000 /dev/urandom > dst/foo.log.1
"$T" -a --append --fuzzy --delete-after -e "$D/rsh" --rsync-path="$T" src/ h:"$D"/dst/; echo "exit $?: $(ls dst | xargs)"
cd /; rm -rf "$D"
