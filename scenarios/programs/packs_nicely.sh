# A night's job: compresses what there is at the lowest priority on both cores.
for i in 1 2; do
    (while :; do tar -cf - /usr/lib/python3* /usr/include 2>/dev/null | nice -n 19 xz -T1 -3 >/dev/null; done) &
done
wait
