# title: perl
# what: floats, regular expressions, sorting, pack, fork and pipes, sockets, Digest, Storable
use_perl='
use strict; use warnings;
use Digest::SHA qw(sha256_hex); use Storable qw(freeze thaw); use List::Util qw(sum shuffle);
use IO::Socket::INET; use Time::HiRes qw(sleep time); use POSIX qw(strftime floor);
printf "%.17g\n", exp($_ / 7) for 1 .. 5;
print sha256_hex(join ",", map { sprintf "%.15e", sin($_) } 1 .. 5000), "\n";
my %words; $words{lc $1}++ while "The quick brown fox; the lazy dog. THE end" =~ /(\w+)/g;
print join(" ", map { "$_=$words{$_}" } sort { $words{$b} <=> $words{$a} || $a cmp $b } keys %words), "\n";
print unpack("H*", pack("w/a* N n C d>", "text", 1, 2, 3, 1.5)), "\n";
print sum(@{ thaw(freeze([1 .. 100])) }), "\n";
my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1") or die $!;
my $port = $server->sockport;
unless (fork) { my $peer = $server->accept; my $line = <$peer>; print $peer scalar reverse $line; exit 5 }
my $client = IO::Socket::INET->new("127.0.0.1:$port") or die $!;
print $client "stressed\n"; print <$client>, "\n"; wait; print $? >> 8, "\n";
open my $pipe, "-|", "seq 3 | tac" or die; print <$pipe>; close $pipe;
my $start = time; sleep 0.2; my $took = time - $start; print $took >= 0.2 && $took < 5 ? "slept\n" : "slept $took\n";
local $SIG{ALRM} = sub { die "alarm\n" }; alarm 1; eval { sleep 10 }; print $@;
print strftime("%F %T", gmtime 86400 * 365), "\n";
sub deep { my $n = shift; no warnings "recursion"; $n ? 1 + deep($n - 1) : 0 } print deep(20000), "\n";
my $re = qr/^(a+)+$/; print "aaaaaaaaaaaaaaaaaaaaaaa!" =~ $re ? "yes" : "no", "\n";
'
perl -e "$use_perl"
perl -MConfig -e 'print "$Config{archname}\n"'
perl -ne 'print if /^daemon/' /etc/passwd
