#!/bin/bash
# kind: comments in a --files-from list with --from0
# user: root
B=$1; W=$(mktemp -d); cd $W; mkdir s; touch s/a 's/#c' 's/;s'; printf '\0;s\0#c\0a\0' >l0; printf ';s\n#c\na\n' >l; printf './#c\0a\0' >l1; printf '#!/bin/sh\nshift\nexec "$@"\n' >rsh; chmod 755 rsh; R="-e $W/rsh --rsync-path=$B"
t() { l=$1; shift; rm -rf d; "$@"; echo "$l: $(ls d | tr '\n' ' ')"; }
t "local, -0, file" $B -a -0 --files-from=l0 s/ d/; t "local, -0, ./ in front" $B -a -0 --files-from=l1 s/ d/; rm -rf d; $B -a -0 --files-from=- s/ d/ <l0; echo "local, -0, standard input: $(ls d | tr '\n' ' ')"
t "local, lines" $B -a --files-from=l s/ d/; t "push, -0, list of the client" $B -a -0 --files-from=l0 $R s/ h:$W/d/; t "push, -0, list of the server" $B -a -0 --files-from=h:$W/l0 $R s/ h:$W/d/
t "pull, -0, list of the client" $B -a -0 --files-from=l0 $R h:$W/s/ d/; t "pull, -0, list of the server" $B -a -0 --files-from=:$W/l0 $R h:$W/s/ d/; t "pull, lines, list of the client" $B -a --files-from=l $R h:$W/s/ d/
cd /; rm -rf $W
