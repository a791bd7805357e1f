#!/usr/bin/perl
# The worked example of conformance/DRIVERS.md: a driver of one's own, in Perl.
# It answers digest.body by itself and hands every other question, as it is, to
# another driver, whose command line it is given. So an implementation can grow
# one operation at a time, and all vectors run from the first day on:
#   conformance --leg driver --driver "perl driver.pl build/conformance/driver-c"
use strict;
use warnings;
use Digest::SHA qw(sha256 sha256_hex);
use IPC::Open2 qw(open2);
use MIME::Base64 qw(decode_base64 encode_base64);

die "usage: driver.pl COMMAND [ARGUMENT ...], for example: driver.pl build/conformance/driver-c\n" unless @ARGV;
my $other = open2(my $answers, my $questions, @ARGV);    # dies when it cannot be started
$SIG{PIPE} = 'IGNORE';                                   # a driver that ended shows in its missing answer
$| = 1;                                                  # the runner waits for every answer

# The answer is compared byte for byte: content_sha256 comes first, without spaces.
sub digest_body {
    my ($body) = @_;
    my $field = 'sha-256=:' . encode_base64(sha256($body), '') . ':';    # RFC 9530 section 2
    return sprintf '{"ok":{"content_sha256":"%s","content_digest":"%s"}}', sha256_hex($body), $field;
}

while (my $line = <STDIN>) {
    # The members come in this order and without escapes: no JSON library is needed.
    my ($id, $op, $request, $body) = $line =~ /^\{"id":(\d+),"op":"([^"]*)","request":"([^"]*)","body":"([^"]*)"/
        or die "driver.pl: a line is not of the exchange's form\n";
    # Whatever is not "{}" is the other's to refuse: it knows all about strict JSON.
    if ($op eq 'digest.body' && decode_base64($request) eq '{}') {
        printf qq({"id":%d,"answer":"%s"}\n), $id, encode_base64(digest_body(decode_base64($body)), '');
        next;
    }
    print {$questions} $line;
    print readline($answers) // qq({"id":$id,"failed":"the driver behind driver.pl ended"}\n);
}
close $questions;    # tells the other driver to end, too
waitpid $other, 0;
exit($? == 0 ? 0 : 1);
