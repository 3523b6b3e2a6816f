#!/bin/bash
# kind: restoring from a --fake-super backup
# user: root
T=$1; D=$(mktemp -d); cd "$D" || exit 9; mkdir a; echo x > a/f; chown 12:34 a/f; chmod 4755 a/f; mknod a/null c 1 3
"$T" -a -M--fake-super a/ backup/
"$T" -a --fake-super -M--super backup/ restored/; echo "exit $?"; stat -c '%A %u:%g %n' restored/*
"$T" -aX --fake-super --super a/ b/; stat -c '%A %u:%g %n' b/f
cd /; rm -rf "$D"
