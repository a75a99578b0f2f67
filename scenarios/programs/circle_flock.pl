# Two processes lock two files, each in its own order. Argument: seconds before.
use strict;
use Fcntl qw(:flock);
use Time::HiRes qw(sleep);
my $other = fork;
my @names = map { "/tmp/circle-flock-" . ($other ? $$ : getppid) . "-$_" } $other ? (0, 1) : (1, 0);
sleep $ARGV[0];
open(my $first, '>>', $names[0]) or die $!;
open(my $second, '>>', $names[1]) or die $!;
flock($first, LOCK_EX);
sleep 1;
unlink $names[0];
flock($second, LOCK_EX);
