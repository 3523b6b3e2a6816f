#!/bin/bash
# kind: the link limit of a file system
# user: root
T=$1; D=$(mktemp -d); cd "$D" || exit 9
python3 - <<'P'
import os
for d in ('src','alt'):
    os.mkdir(d); open(d+'/h','w').write('Hallo'); os.utime(d+'/h',(1e9,1e9))
    for i in range(5): os.link(d+'/h',d+'/h%d'%i)
os.mkdir('fill')
for i in range(64997-6): os.link('alt/h','fill/%d'%i)
P
"$T" -rtH --link-dest="$D/alt" src/ dst/ 2>&1 | tail -3; ls dst | xargs; cd /; rm -rf "$D"
