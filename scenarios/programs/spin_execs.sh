# Three scripts that run small programs without a pause, each of them gone in a moment.
one() { while :; do expr 3 + 4 >/dev/null; env true; ls / >/dev/null; done; }
one & one & one & wait
