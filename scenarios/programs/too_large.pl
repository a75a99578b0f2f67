# A parent that kills its worker when it has grown too large, as a kernel does, and forks the next. Argument: seconds a worker lasts.
use strict;
use Time::HiRes qw(sleep);
my $seconds = shift;
while (1) {
    my $child = fork // die $!;
    if (!$child) {
        my @rows;
        while (1) { push @rows, "x" x 100_000 for 1 .. 10; sleep 0.1; }
    }
    sleep $seconds;
    kill 'KILL', $child;
    waitpid $child, 0;
}
