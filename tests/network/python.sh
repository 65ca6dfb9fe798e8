# title: python3
# what: UDP echo of 1, 1,400 and 65,000 bytes; 1,000 TCP connections open at once, and 20 MB beside them
tcp=$(free_port)
http=$(free_port)
udp=$(free_port DGRAM)
mkdir "$place/files"
noise 20000000 > "$place/files/bulk"
server "$PYTHON" "$SERVERS" tcp "$tcp"
server "$PYTHON" "$SERVERS" udp "$udp"
server "$PYTHON" "$SERVERS" files "$http" "$place/files"
listening "$tcp"
listening "$http"
found=$(container -- python3 -c '
import hashlib, os, resource, socket, sys, threading, urllib.request

tcp, udp, http = map(int, sys.argv[1:4])
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
    datagrams.settimeout(60)
    datagrams.connect(("host", udp))
    for size in (1, 1400, 65000):
        data = os.urandom(size)
        datagrams.send(data)
        assert datagrams.recv(70000) == data, size
        print(size, "bytes echoed")

digest = None
def bulk():
    global digest
    with urllib.request.urlopen(f"http://host:{http}/bulk") as response:
        digest = hashlib.file_digest(response, "sha256").hexdigest()
beside = threading.Thread(target=bulk)
beside.start()
connections = [socket.create_connection(("host", tcp), 60) for _ in range(1000)]
for number, connection in enumerate(connections):
    connection.sendall(b"%04d" % number)
for number, connection in reversed(list(enumerate(connections))):
    data = b""
    while len(data) < 4:
        part = connection.recv(4 - len(data))
        assert part, f"connection {number} ended"
        data += part
    assert data == b"%04d" % number
print(len(connections), "connections echoed")
beside.join()
print(digest)' "$tcp" "$udp" "$http")
expect "what it said" "1 bytes echoed
1400 bytes echoed
65000 bytes echoed
1000 connections echoed
$(sum < "$place/files/bulk")" "$found"
rm -r "$place/files"
