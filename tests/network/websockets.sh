# title: python3-websockets
# what: a client in the container: 1,000 messages echoed, and one of 1 MB
port=$(free_port)
server "$PYTHON" "$SERVERS" websocket "$port"
listening "$port"
found=$(container -- python3 -c '
import os, sys
from websockets.sync.client import connect

with connect(f"ws://host:{sys.argv[1]}/") as server:
    for number in range(1000):
        server.send(f"message {number}")
        assert server.recv() == f"message {number}"
    large = os.urandom(1_000_000)
    server.send(large)
    assert server.recv() == large
print("all echoed")' "$port")
expect "what it said" "all echoed" "$found"
