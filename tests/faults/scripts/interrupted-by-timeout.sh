#!/bin/bash
# kind: an interrupted local copy keeps its partial file
# user: root
T=$1; D=$(mktemp -d); cd "$D" || exit 9; mkdir src; head -c 8000000 /dev/urandom > src/big
timeout -s INT 4 "$T" -a --bwlimit=1000 --partial src/ d1/ 2>/dev/null; sleep 1; echo "partial: $(ls d1 2>/dev/null)"
timeout -s INT 4 "$T" -a --bwlimit=1000 --partial-dir=.p src/ d2/ 2>/dev/null; sleep 1; echo "partial-dir: $(ls d2/.p 2>/dev/null)"
cd /; rm -rf "$D"
