#!/bin/bash
# kind: --iconv in a purely local copy
# user: root
B=$1; W=$(mktemp -d); cd $W; mkdir -p s/한글; echo 1 >s/한글/파일; ln -s 파일 s/한글/링크; echo 2 >s/plain
show() { (cd $1 && find . | LC_ALL=C sort | od -An -c | tr -s ' \n' ' '; find . -type l -printf '%l' | od -An -tx1); }
for o in utf-8,euc-kr .,euc-kr utf-8,cp949; do rm -rf d; LC_ALL=C.UTF-8 $B -ai --iconv=$o s/ d/; echo "$o: exit $?"; show d; done
LC_ALL=C.UTF-8 $B -ai --iconv=euc-kr,utf-8 d/ back/; echo "back: exit $?"; show back
echo 3 >s/😀; rm -rf d; LC_ALL=C.UTF-8 $B -ai --iconv=utf-8,euc-kr s/ d/ 2>&1; echo "a name that cannot be converted: exit $?"; show d
cd /; rm -rf $W
