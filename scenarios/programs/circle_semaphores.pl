# Two processes take two semaphores of System V, each in its own order. Argument: seconds before.
use strict;
use IPC::SysV qw(IPC_PRIVATE IPC_CREAT IPC_RMID SETALL SEM_UNDO);
use Time::HiRes qw(sleep);
my $set = semget(IPC_PRIVATE, 2, IPC_CREAT | 0600) // die $!;
semctl($set, 0, SETALL, pack("s*", 1, 1));
my $take = sub { semop($set, pack("s3", $_[0], -1, SEM_UNDO)) };
$SIG{TERM} = sub { semctl($set, 0, IPC_RMID, 0); exit };
my $other = fork;
sleep $ARGV[0];
$take->($other ? 0 : 1);
sleep 1;
$take->($other ? 1 : 0);
