#!/bin/sh
# A person who deploys: restarts the service named $1 every twelve seconds.
while :; do
    sleep 12
    "$HOMEOSTAT" --state-dir "$HOMEOSTAT_STATE" service restart "$1" >/dev/null 2>&1
done
