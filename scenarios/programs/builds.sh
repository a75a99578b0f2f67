#!/bin/sh
# A build: three compilers at a time on a large generated source, again and again.
dir=$(mktemp -d)
trap 'rm -rf "$dir"; exit 0' TERM INT
{
    echo '#include <stdio.h>'
    i=0
    while [ $i -lt 1500 ]; do
        echo "int f$i(int a){int s=0;for(int i=0;i<a;i++){s+=i*$i%7;if(s%3)s^=a<<2;printf(\"%d\",s);}return s;}"
        i=$((i + 1))
    done
} >"$dir/big.c"
while :; do
    for one in 1 2 3; do cc -O2 -c "$dir/big.c" -o "$dir/$one.o" & done
    wait
done
