#!/bin/sh
# A service that is a script: it starts a helper that leaks, and waits.
"$1" "$2" "$3" &
child=$!
trap 'kill $child; exit 0' TERM
wait
