# Three loops that start one short computation after the other, each a process of its own.
one() { while :; do (i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done); done; }
one & one & one & wait
