# title: python3, TCP
# what: 1,000 connections open at once, all echoed, and 20 MB over HTTP beside them
tcp=$(free_port)
http=$(free_port)
mkdir "$place/files"
noise 20000000 > "$place/files/bulk"
server "$PYTHON" "$SERVERS" tcp "$tcp"
server "$PYTHON" "$SERVERS" files "$http" "$place/files"
listening "$tcp"
listening "$http"
found=$(container -- python3 -c '
import hashlib, resource, socket, sys, threading, urllib.request

tcp, http = map(int, sys.argv[1:3])
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
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
print(digest)' "$tcp" "$http")
expect "what it said" "1000 connections echoed
$(sum < "$place/files/bulk")" "$found"
rm -r "$place/files"
