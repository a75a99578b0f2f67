# A TCP service that opens the log of each request and, after ONSET seconds, closes none any more. Arguments: port, seconds.
use strict;
use IO::Socket::INET;
my ($port, $onset) = @ARGV;
my $begin = time;
my $door = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 64, ReuseAddr => 1) or die $!;
my @kept;
while (1) {
    my $peer = $door->accept or next;
    defined(my $line = <$peer>) or next;
    for (1 .. 2) {
        open my $log, '<', $0 or die "log: $!";
        push @kept, $log if time - $begin >= $onset;
    }
    print $peer "ok\n";
}
