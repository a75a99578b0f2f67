# Four processes that append to one file under its lock, each for half a second, and a standby that waits for a leader.
use strict;
use Fcntl qw(:flock);
use Time::HiRes qw(sleep);
my ($shared, $leader) = ("/tmp/takes-turns-$$", "/tmp/leads-$$");
open(my $lead, '>>', $leader) or die $!;
flock($lead, LOCK_EX);
if (!fork) {
    open(my $mine, '>>', $leader) or die $!;
    flock($mine, LOCK_EX);
    exit;
}
fork && last for 1 .. 3;
while (1) {
    open(my $file, '>>', $shared) or die $!;
    flock($file, LOCK_EX);
    sleep 0.5;
    close $file;
    unlink $shared if -s $shared;
    sleep 0.1;
}
