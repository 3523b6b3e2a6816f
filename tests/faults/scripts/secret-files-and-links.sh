#!/bin/bash
# kind: --password-file and --early-input behind links of other users
# user: root
B=$1; PORT=${2:-14903}; S=${PEER:-rsync}; W=$(mktemp -d); chmod 755 $W; cd $W; mkdir m priv; echo 1 >m/f; echo secret-word >priv/pw; chmod 600 priv/pw; echo 'u:secret-word' >sec; chmod 600 sec
ln -s $W/priv/pw leaf; ln -s $W/priv par; chown -h nobody leaf par; ln -s $W/priv/pw mine
printf '#!/bin/sh\ncat >%s/got\n' $W >hook; chmod 755 hook
printf 'use chroot = no\nuid = 0\ngid = 0\n[a]\npath = %s/m\nauth users = u\nsecrets file = %s/sec\n[e]\npath = %s/m\nearly exec = %s/hook\n' $W $W $W $W >c
$S --daemon --no-detach --config=c --port=$PORT --address=127.0.0.1 --log-file=$W/log </dev/null & D=$!; sleep 0.8
for x in priv/pw mine leaf par/pw; do
  $B --password-file=$W/$x rsync://u@127.0.0.1:$PORT/a/ >o 2>err; echo "--password-file=$x: exit $?, $(grep -v '^refusing' err | head -1)"
  rm -f got; $B --early-input=$W/$x rsync://127.0.0.1:$PORT/e/ >o 2>err; rc=$?; sleep 0.4; echo "--early-input=$x: exit $rc, daemon got <$(tail -c 12 got 2>/dev/null)> $(grep -v '^refusing' err | head -1)"
done
$B --insecure-links --password-file=$W/leaf rsync://u@127.0.0.1:$PORT/a/ >o 2>&1; echo "--insecure-links --password-file=leaf: exit $?"
kill $D; wait $D 2>/dev/null; cd /; rm -rf $W
