# Looks each second whether a file is there that never comes, and does small things meanwhile: all that says no is meant to.
while :; do
    test -f "/tmp/$$.never" || grep -q never /dev/null || expr 0 >/dev/null
    ls /nonexistent >/dev/null 2>&1
    sleep 1
done
