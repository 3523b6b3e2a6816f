#!/bin/bash
# kind: --out-format as a word for the server
# user: root
B=$1; W=$(mktemp -d); cd $W; mkdir s; echo 1 >s/f; printf '#!/bin/sh\nshift\nfor w; do printf "<%%s>" "$w"; done >>%s/words\nexit 1\n' $W >rsh; chmod 755 rsh
while IFS= read -r f; do for way in "s/ h:d/" "h:s/ d/"; do : >words; $B -a --out-format="$f" -e $W/rsh --rsync-path=rsync $way >/dev/null 2>&1; echo "$f: $(cat words)"; done; done <<'X'
%n
%i
%i %n
!bang
a!b
%n!
'quoted'
"double"
it's
a b  c
 lead
trail 
back\slash
back\\two
$HOME
`id`
$(id)
a;b
a&b
a|b
(a)
[a]
{a,b}
*?
~x
#c
%%
-dash
=x
한글
<a>
tab	tab
X
cd /; rm -rf $W
