#!/bin/sh
# Two jobs of a shell script lock two files with flock(1), after a while in opposite order.
folder=$(mktemp -d)
trap 'rm -rf "$folder"; exit' TERM INT
export folder
job() {
    for turn in 1 2 3 4 5 6 7 8; do flock "$folder/$1" -c "sleep 1"; done
    flock "$folder/$1" -c "sleep 2; flock -w 300 $folder/$2 -c true"
}
job left right &
job right left &
wait
