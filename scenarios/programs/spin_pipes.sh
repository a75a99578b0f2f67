# Three checksums of a stream without end.
for i in 1 2 3; do (yes "line $i" | sha256sum) & done
wait
