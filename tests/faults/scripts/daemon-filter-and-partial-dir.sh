#!/bin/bash
# kind: a client's --partial-dir and the module's filter
# user: root
B=$1; PORT=${2:-14901}; C=${PEER:-rsync}; W=$(mktemp -d); cd $W; mkdir src; echo NEW >src/f0
cat >c <<X
use chroot = no
uid = 0
gid = 0
read only = no
log file = $W/log
[m]
path = $W/mod
exclude = /excl/
[root]
path = /
exclude = $W/secret/
X
$B --daemon --no-detach --config=c --port=$PORT --address=127.0.0.1 </dev/null & D=$!; sleep 1; U=rsync://127.0.0.1:$PORT
go() { l=$1; shift; rm -rf mod secret dest; mkdir -p mod/excl mod/open secret dest; echo EXCLUDED >mod/excl/f0; echo SECRET >secret/f0; echo old-content >mod/f0; ln -s $W/secret mod/out; ln -s open mod/in
  $C -a "$@" 2>err; rc=$?; echo "$l: exit $rc, mod/f0=$(cat mod/f0), excl/f0=$(cat mod/excl/f0 2>&1 | tail -c 25), secret/f0=$(cat secret/f0 2>&1 | tail -c 25), open=$(ls mod/open)| $(head -1 err)"; }
go "partial-dir is the excluded directory        " --partial-dir=/excl src/ $U/m/
go "the same by ..                               " --partial-dir=/open/../excl src/ $U/m/
go "excluded directory of a module with path = / " --partial-dir=$W/src/../secret src/ $U/root$W/dest/
go "through a link out of the module             " --partial-dir=/out src/ $U/m/
go "the same with --delay-updates                " --delay-updates --partial-dir=/out src/ $U/m/
go "not excluded, not there, --delay-updates     " --delay-updates --partial-dir=/open/pd src/ $U/m/
go "through a link inside the module             " --delay-updates --partial-dir=/in/pd src/ $U/m/
kill $D; wait $D 2>/dev/null; cd /; rm -rf $W
