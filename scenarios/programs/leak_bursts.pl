# Opens a file for each item of a batch and forgets half of them. Arguments: files a batch, seconds between batches.
use strict;
my ($count, $pause) = @ARGV;
my @kept;
while (1) {
    for my $i (1 .. $count) {
        open(my $file, '<', $0) or die "no file: $!";
        push @kept, $file if $i % 2;
    }
    sleep $pause;
}
