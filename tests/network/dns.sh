# title: dig, getent
# what: A, AAAA, MX, TXT and NXDOMAIN of a dnsmasq that this host's resolv.conf names; in the component A, AAAA and NXDOMAIN of this host's resolver
# A server's port is always 53, so it has an address for itself; /etc/resolv.conf is another one in a
# mount namespace.
address=127.77.0.53
server dnsmasq --keep-in-foreground --no-daemon --conf-file=/dev/null --no-resolv --no-hosts \
    --bind-interfaces --except-interface=lo --listen-address="$address" --port=53 --local=/c2w.test/ \
    --host-record=www.c2w.test,192.0.2.7,2001:db8::7 --mx-host=c2w.test,mail.c2w.test,10 \
    --txt-record=c2w.test,"a text"
echo "nameserver $address" > "$place/resolv.conf"
under=(unshare --mount bash -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$place/resolv.conf")
types='dig +short A www.c2w.test; dig +short AAAA www.c2w.test'
expected=$'192.0.2.7\n2001:db8::7'
if [ "$engine" != component ]; then
    types+='; dig +short MX c2w.test; dig +short TXT c2w.test'
    expected+=$'\n10 mail.c2w.test.\n"a text"'
fi
found=$(container -- bash -c "$types"'
    dig none.c2w.test | grep -o "status: [A-Z]*"
    getent ahostsv4 www.c2w.test | grep -o "^[^ ]* *STREAM"
    getent hosts none.c2w.test || echo "getent: $?"')
expect "what it said" "$expected
status: NXDOMAIN
192.0.2.7       STREAM
getent: 2" "$found"
