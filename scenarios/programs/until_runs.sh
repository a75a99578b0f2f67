# The loop everybody knows: runs its program until it ends well, and says each time that it did not. Arguments: pause, program.
pause=$1; shift
until "$@"; do
    echo "$(date -u +%T) server crashed with exit code $?, respawning" >&2
    sleep "$pause"
done
