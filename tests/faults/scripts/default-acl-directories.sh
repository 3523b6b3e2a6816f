#!/bin/bash
# kind: default ACLs and directories outside the list
# user: root
# needs: setfacl
B=$1; W=$(mktemp -d); cd $W; umask 077; mkdir -p s/x; echo f >s/x/f
for a in d:u::7,d:g::7,d:o:7 d:u::7,d:g::5,d:o:0; do rm -rf t; mkdir t; setfacl -m $a t; echo "default ACL $a, umask 077"
$B -r s/ t/dest/; $B -r --mkpath s/ t/mk1/mk2/; $B -rR --no-implied-dirs s/x/f t/imp/; $B -rb --backup-dir=$W/t/bak -I s/x/f t/dest/x/
for d in dest dest/x mk1 mk1/mk2 imp imp/s imp/s/x bak; do printf '%s=%s ' $d $(stat -c %a t/$d 2>/dev/null); done; echo; done
cd /; rm -rf $W
