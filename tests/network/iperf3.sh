# title: iperf3
# what: 5 seconds in each direction, as its receiver counts
port=$(free_port)
server iperf3 --server --bind 127.0.0.1 --port "$port"
listening "$port"
for direction in out in; do
    option=()
    [ "$direction" = out ] || option=(--reverse)
    container -- iperf3 --client host --port "$port" --time 5 --json "${option[@]}" \
        > "$place/$direction.json"
done
"$PYTHON" - "$place" > "$place/figure" << 'P'
import json
import sys

figures = []
for direction in ("out", "in"):
    with open(f"{sys.argv[1]}/{direction}.json") as file:
        received = json.load(file)["end"]["sum_received"]
    figures.append(f"{received['bits_per_second'] / 8e6:.0f} MB/s {direction}")
print(", ".join(figures))
P
