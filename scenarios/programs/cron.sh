# Jobs as a table of them starts: most end well, one in five has nothing to do and says so.
n=0
while :; do
    n=$((n+1))
    perl -e 'select undef, undef, undef, 0.4; exit($ARGV[0] % 5 == 0)' $n
    sleep 1
done
