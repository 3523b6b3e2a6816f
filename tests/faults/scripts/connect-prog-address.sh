#!/bin/bash
# kind: the address that a daemon sees
# user: root
C=$1; S=$1; W=$(mktemp -d); mkdir $W/m; echo hi >$W/m/f
cat >$W/c <<X
use chroot = no
log file = $W/log
[m]
path = $W/m
[lo]
path = $W/m
hosts allow = 127.0.0.0/8
X
show() { echo "-- $1: $(grep -v SIGUSR1 $W/out | tail -1 | sed 's/ [0-9]*\/[0-9]*\/[0-9]* [0-9:]* / DATE /')"; grep -h 'connect from\|denied' $W/log | sed "s/^[^]]*\] /   log: /"; rm -f $W/log; }
RSYNC_CONNECT_PROG="$S --daemon --config=$W/c" $C rsync://localhost/lo/ >$W/out 2>&1; show "RSYNC_CONNECT_PROG, hosts allow = 127.0.0.0/8"
printf '#!/bin/sh\nexec %s --server --daemon --config=%s .\n' $S $W/c >$W/rsh; chmod 755 $W/rsh
unset SSH_CONNECTION SSH_CLIENT SSH2_CLIENT REMOTE_HOST REMOTE_ADDR
$C -e $W/rsh localhost::lo/ >$W/out 2>&1; show "daemon through a remote shell, no SSH_* in the environment, hosts allow"
SSH_CONNECTION="192.0.2.7 5 192.0.2.8 22" $C -e $W/rsh localhost::m/ >$W/out 2>&1; show "the same, SSH_CONNECTION set, module without hosts allow"
python3 - $S $W/c >$W/out 2>&1 <<'P'
import socket,subprocess,sys
a,b=socket.socketpair()
p=subprocess.Popen([sys.argv[1],'--daemon','--config='+sys.argv[2]],stdin=b,stdout=b); b.close()
a.settimeout(5); f=a.makefile('rb'); print(f.readline()); a.sendall(b'@RSYNCD: 31.0 sha512 md5\nlo\n'); print(f.readline()); a.close(); f.close(); p.wait()
P
show "inetd style on a unix socket pair, hosts allow"
rm -rf $W
