#!/bin/bash
# kind: owners and modes under fakeroot
# user: ordinary
# needs: fakeroot
B=$1; W=$(mktemp -d); cd $W
cat >in.sh <<'X'
mkdir s; echo 1 >s/f; chown 5000:5002 s/f; chmod 4755 s/f; mkdir s/dir; chown 7:8 s/dir; chmod 2775 s/dir; ln -s f s/l; chown -h 9:10 s/l; mknod s/blk b 42 69; chmod 640 s/blk; mkfifo s/p
$1 -a s/ d/ 2>&1 | sed 's/"[^"]*"/"NAME"/'; (cd d; stat -c '%n %A %u:%g %t,%T' * | sort); echo "second run: $($1 -ai s/ d/ 2>&1 | grep -c '^[.>c]') changes"
X
fakeroot sh in.sh $B; cd /; rm -rf $W
