#!/bin/bash
# kind: --mkpath in a dry run with a new name for one file
# user: root
T=$1; D=$(mktemp -d); cd "$D" || exit 9; echo x > f
"$T" -ni --mkpath f new/dir/name; echo "exit $?"
cd /; rm -rf "$D"
