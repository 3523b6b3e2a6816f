#!/bin/bash
# kind: an alternate directory with a link out of it
# user: root
T=$1; D=$(mktemp -d); cd "$D" || exit 9; mkdir -p src/d prev ext; echo hello > src/d/f; cp -a src/d/f ext/f; ln -s "$D/ext" prev/d
"$T" -a --link-dest="$D/prev" src/ dst/; echo "links: $(stat -c %h dst/d/f)"
cd /; rm -rf "$D"
