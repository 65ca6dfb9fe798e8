# title: python3, UDP
# what: datagrams of 1, 1,400 and 65,000 bytes echoed
port=$(free_port DGRAM)
server "$PYTHON" "$SERVERS" udp "$port"
found=$(container -- python3 -c '
import os, socket, sys

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
    datagrams.settimeout(60)
    datagrams.connect(("host", int(sys.argv[1])))
    for size in (1, 1400, 65000):
        data = os.urandom(size)
        datagrams.send(data)
        assert datagrams.recv(70000) == data, size
        print(size, "bytes echoed")' "$port")
expect "what it said" "1 bytes echoed
1400 bytes echoed
65000 bytes echoed" "$found"
