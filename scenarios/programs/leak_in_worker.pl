# A parent forks a worker and waits for it; the worker keeps every job it was given. BYTES a second.
use strict;
use warnings;
$| = 1;
my $rate = shift;
pipe(my $jobs, my $to) or die;
if (my $pid = fork) {
    close $jobs;
    my $old = select $to; $| = 1; select $old;
    while (1) {
        print $to "job\n";
        select undef, undef, undef, 0.1;
    }
}
close $to;
my @done;
while (<$jobs>) {
    push @done, { job => $_, result => 'r' x ($rate / 10) };
}
