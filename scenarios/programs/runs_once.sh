# A script around a program, as init scripts are: it sets the stage, runs it, and says how it ended.
export LANG=C
cd / || exit 1
"$@"
code=$?
[ "$code" -eq 0 ] || echo "ended: $code" >&2
exit "$code"
