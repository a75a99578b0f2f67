# Remembers every line it ever handled. Arguments: bytes a second, seconds of normal work before.
use strict;
use Time::HiRes qw(sleep time);
my ($rate, $before) = @ARGV;
my ($start, @kept) = (time);
while (1) {
    my @work = map { $_ * 3 } 1 .. 20000;
    push @kept, "line $_ " . "x" x 984 for 1 .. (time - $start >= ($before // 0) ? $rate / 10000 : 0);
    sleep 0.1;
}
