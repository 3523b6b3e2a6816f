#!/bin/bash
# kind: items of hard links
# user: root
B=$1; W=$(mktemp -d); cd $W; mkdir s; echo 1 >s/a; ln s/a s/b; ln -s x s/l1; ln s/l1 s/l2; mkfifo s/p1; ln s/p1 s/p2; mknod s/c1 c 1 7; ln s/c1 s/c2; touch -hd 2001-01-01 s/*
mkdir to; for x in a b l1 l2 p1 p2 c1 c2; do cp -a s/$x to/; done 2>/dev/null; for p in a:b l1:l2 p1:p2 c1:c2; do rm to/${p#*:}; cp -a s/${p#*:} to/; done; touch -hd 2002-02-02 to/b to/l2 to/p2 to/c2
for o in "-iplrHD" "-iplrHDc" "-iplrHD --size-only" "-iplrtHD" "-iplrtHDJ"; do rm -rf d; cp -a to d; echo "# $o"; $B $o s/ d/ | grep '=>'; done
cp -a s good
for o in "-aiHn --link-dest=$W/good" "-aHvv --link-dest=$W/good"; do rm -rf d; echo "# $o"; $B $o s/ d/ | grep '^[abcphl][12fDLS]\|=>\|^b '; done
cd /; rm -rf $W
