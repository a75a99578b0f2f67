#!/bin/sh
# Two loops of the shell, the accident of every beginner.
(while :; do :; done) &
child=$!
trap 'kill $child; exit 0' TERM
while :; do :; done
