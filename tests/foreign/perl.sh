# title: perl
# what: floats, regular expressions, sorting, fork and pipes, Digest, a signal
# image: tools
perl -MDigest::SHA=sha256_hex -MConfig -e '
print "$Config{ivsize}\n";
print sha256_hex(join ",", map { sprintf "%.17g", sin($_) * exp($_ / 9) } 1 .. 500), "\n";
my %count; $count{length $_}++ for map { $_ ** 3 } 1 .. 2000;
print join(" ", map { "$_=$count{$_}" } sort { $a <=> $b } keys %count), "\n";
(my $text = "The quick brown fox" x 20) =~ s/(\w)(\w+)/\U$1\E\L$2\E/g; print substr($text, 0, 40), "\n";
print unpack("H*", pack("nNvVqd", 1, 2, 3, 4, -5, 0.1)), "\n";
pipe(my $in, my $out); if (my $child = fork) { close $out; print <$in>; waitpid $child, 0; print $? >> 8, "\n" }
else { print $out "from the child\n"; close $out; exit 5 }
$SIG{ALRM} = sub { print "alarm\n"; exit 4 }; alarm 1; 1 while 1;'
