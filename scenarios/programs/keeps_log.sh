# Runs its program again and again and keeps a log of it, with small programs that all end well. Arguments: pause, program.
pause=$1; shift
log=$(mktemp); trap 'rm -f "$log"; exit 0' TERM INT
while true; do
    date >> "$log"
    "$@" 2>&1 | tail -n 3 >> "$log"
    wc -l "$log" >/dev/null
    sleep "$pause"
done
