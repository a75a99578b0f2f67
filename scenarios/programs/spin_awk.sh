# Three reports whose loop forgets to count.
for i in 1 2 3; do awk 'BEGIN { while (n < 10) total += n }' & done
wait
