# An entry point that waits for what another brings: until it is there, it asks each second, in three ways.
until test -s "/tmp/$$.brought" && grep -q ready "/tmp/$$.brought"; do sleep 1; done &
while ! pgrep -f "no program is called this, $$$$" >/dev/null; do sleep 2; done &
while ! perl -e 'exit !-e "/nonexistent/socket"'; do sleep 3; done &
wait
