# Limits its memory, asks for more, and fails.
ulimit -v 60000
exec perl -e 'sleep 1; my $x = "x" x (1 << 28); print length $x'
