#!/bin/bash
# kind: a host name with shell characters in RSYNC_CONNECT_PROG
# user: root
B=$1; W=$(mktemp -d); cd $W; printf '#!/bin/sh\nprintf "%%s" "$1" >%s/seen\n' $W >probe; chmod 755 probe
RSYNC_CONNECT_PROG="bash -c 'echo connecting to %H >&2'" timeout 5 $B 'rsync://h;>ran-from-the-host-name;x/m/' out >o 2>&1; grep -h 'unsafe\|safe_read' o; ls ran-from-the-host-name 2>/dev/null
try() { rm -f seen; RSYNC_CONNECT_PROG="${P:-$W/probe %H}" timeout 5 $B "rsync://$1/m/" out >o 2>&1; rc=$?; if [ -e seen ]; then echo "host <$1>: started with <$(cat seen)>"; else echo "host <$1>: exit $rc, $(head -1 o)"; fi; }
for h in -n +x '~bin' '%x' '' '=x' ',x' 'a b' 'a;b' 'a$b' "a'b" 'a"b' 'a\b' 'a*b' 'a&b' 'a|b' 'a,b' 'a=b' 'a^b' 'é' n1.example. node_1 node+x node~x a%b '[fe80::9%lo]' .x _x; do try "$h"; done
echo "template without %H:"; P="$W/probe fixed" try 'a;b'
cd /; rm -rf $W
