#!/bin/bash
# kind: --remove-source-files with the source as --compare-dest
# user: root
T=$1; D=$(mktemp -d); cd "$D" || exit 9; mkdir s; echo precious > s/f
"$T" -a --compare-dest="$D/s" --remove-source-files s/ d/; echo "exit $?"; find s d -type f
cd /; rm -rf "$D"
