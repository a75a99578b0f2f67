# A deployment that waits for its database: the same client fails each second until the database is there. Argument: seconds.
end=$(($(date +%s) + $1))
until [ "$(date +%s)" -ge $end ]; do
    perl -MIO::Socket::INET -e 'IO::Socket::INET->new(PeerAddr => "127.0.0.1:1", Timeout => 2) or exit 2'
    sleep 1
done
sleep 1000
