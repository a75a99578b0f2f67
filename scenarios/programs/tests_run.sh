# A test run: programs that are meant to fail do fail, each in a way of its own, among others that pass.
n=0
while :; do
    n=$((n + 1))
    sh -c 'exit 0' passes $n
    sh -c 'exit 3' fails $n
    sh -c 'kill -SEGV $$' crashes $n
    perl -e 'die "expected"' $n 2>/dev/null
    perl -e 'exit 0' $n
    sleep 0.3
done
