# A supervisor of a few lines: starts its program anew whenever it ends. Arguments: seconds between, program with its arguments.
pause=$1; shift
while :; do "$@"; sleep "$pause"; done
