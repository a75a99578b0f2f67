# A script that waits for something that does not come: grep, test, cmp and a health check that fail, over and over.
port=$1
while :; do
    grep -q nothing_like_this "$0.missing" "$0" 2>/dev/null
    env test -e /nonexistent/file
    cmp -s "$0" /dev/null
    curl -s -m 2 -o /dev/null "http://127.0.0.1:$port/" || perl -e 'sleep 1; exit 3'
    sleep 0.5
done
