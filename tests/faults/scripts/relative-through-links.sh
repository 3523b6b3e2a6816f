#!/bin/bash
# kind: --relative and --files-from through links
# user: root
T=$1; D=$(mktemp -d); cd "$D" || exit 9
mkdir -p data/home/docs; echo x > data/home/docs/f; ln -s "$D/data/home" home; ln -s "$D/data/home/docs" data/lnk
"$T" -aR home/docs d1/; echo "exit $?: $(find d1 -type f 2>/dev/null)"
"$T" -aR home/ d2/; echo "exit $?: $(find d2 -type f 2>/dev/null)"
echo lnk/f > list; "$T" -a --files-from=list data/ d3/; echo "exit $?: $(find d3 -type f 2>/dev/null)"
cd /; rm -rf "$D"
