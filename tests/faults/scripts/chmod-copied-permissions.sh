#!/bin/bash
# kind: special bits in --chmod
# user: root
B=$1; W=$(mktemp -d); cd $W; umask 022
t() { rm -rf s d; mkdir s; if [ $1 = d ]; then mkdir s/x; else : >s/x; fi; chmod $2 s/x; $B -a --chmod="$3" s/ d/ 2>err; echo "$1 $2 --chmod=$3: $(stat -c %a d/x)$(head -1 err)"; }
for c in o=u o=g a=u a=g a=o =u go=u g=u u=g ug=o o=rx a=rx o= o+u; do t d 1750 $c; t d 7777 $c; done
for c in o+s o=s u+s g+s a+s o-s; do t d 0755 $c; t f 2711 $c; done; for c in u=t g=t o=t u+t; do t d 4755 $c; done
cd /; rm -rf $W
