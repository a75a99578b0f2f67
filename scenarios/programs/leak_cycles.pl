# A tree whose nodes know their parent, so that no count of references ever falls to nothing. Argument: bytes a second.
use strict;
use Time::HiRes qw(sleep);
while (1) {
    my $parent = { name => "root", children => [] };
    push @{ $parent->{children} }, { parent => $parent, text => "x" x 1000 } for 1 .. $ARGV[0] / 10 / 1400;
    sleep 0.1;
}
