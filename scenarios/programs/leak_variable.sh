# Gathers what it has seen in one variable. Argument: kilobytes a second.
line=$(printf '%01000d' 7)
seen=
while :; do
    batch=; i=0
    while [ $i -lt "$1" ]; do batch="$batch$line"; i=$((i+1)); done
    eval "seen_$((n=n+1))=\$batch"
    sleep 1
done
