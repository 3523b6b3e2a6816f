#!/bin/bash
# kind: filter rules, --chmod and --log-file on the server's own command line
# user: root
T=$1; D=$(mktemp -d); cd "$D" || exit 9
printf '#!/bin/sh\nshift; exec sh -c "$*"\n' > rsh; chmod +x rsh
mk() { rm -rf a b; mkdir -p a b a/secret; echo x > a/f; chmod 640 a/f; echo s > a/secret/k; echo old > b/old; }
mk; "$T" -a --delete -M--filter='P old' -e "$D/rsh" --rsync-path="$T" a/ h:"$D"/b/; echo "protect: exit $?: $(ls b | xargs)"
mk; "$T" -a -e "$D/rsh" --rsync-path="$T --exclude=secret" h:"$D"/a/ b/; echo "exclude: exit $?: $(ls b | xargs)"
mk; "$T" -a -M--exclude-from=/nonexistent -e "$D/rsh" --rsync-path="$T" a/ h:"$D"/b/ 2>/dev/null; echo "missing file: exit $?"
mk; "$T" -a -M--chmod=F777 -e "$D/rsh" --rsync-path="$T" a/ h:"$D"/b/; echo "chmod: $(stat -c %a b/f)"
mk; "$T" -a -M--log-file="$D/log" -e "$D/rsh" --rsync-path="$T" a/ h:"$D"/b/; echo "log: $(ls log 2>&1)"
cd /; rm -rf "$D"
