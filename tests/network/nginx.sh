# title: nginx
# what: in the container, its port published: 1,000 requests of 107 KB by this machine, 50 at once; `nginx -s quit`
port=$(free_port)
mkfifo "$place/stdin"
exec 3<> "$place/stdin"
container -p "127.0.0.1:$port:80" -- bash -ec '
    seq 20000 > /var/www/html/numbers.txt
    nginx -g "daemon off;" & nginx=$!
    until curl -s -o /dev/null http://127.0.0.1/; do sleep 0.1; done
    echo ready
    read -r
    nginx -s quit
    wait "$nginx"
    echo "ended by itself"' < "$place/stdin" > "$place/said" 3>&- &
container=$!
servers+=("$container")
for tries in $(seq 600); do
    ! grep -q ready "$place/said" || break
    kill -0 "$container"
    sleep 0.1
done
"$PYTHON" - "$port" << 'P'
import concurrent.futures
import http.client
import sys

expected = "".join(f"{number}\n" for number in range(1, 20001)).encode()


def request(_):
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=120)
    connection.request("GET", "/numbers.txt")
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status == 200 and body == expected


with concurrent.futures.ThreadPoolExecutor(50) as clients:
    right = sum(clients.map(request, range(1000)))
print(right, "of 1000")
sys.exit(right != 1000)
P
echo >&3
wait "$container"
expect "what it said" $'ready\nended by itself' "$(cat "$place/said")"
