# A supervisor of a few lines: forks, runs its program, waits, and starts it anew after a pause. Arguments: pause, program.
use strict;
use Time::HiRes qw(sleep);
my $pause = shift;
while (1) {
    my $child = fork // die $!;
    exec @ARGV or exit 127 if !$child;
    waitpid $child, 0;
    sleep $pause;
}
