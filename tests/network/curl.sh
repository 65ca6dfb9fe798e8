# title: curl
# what: 100 MB from an HTTP server, and the same to it (`-T`), compared by SHA-256
port=$(free_port)
mkdir "$place/files"
noise 100000000 > "$place/files/down"
server "$PYTHON" "$SERVERS" files "$port" "$place/files"
listening "$port"
found=$(container -- bash -ec '
    curl -sSf -o /tmp/file -w "%{speed_download}\n" "http://host:$1/down"
    curl -sSf -T /tmp/file -w "%{speed_upload}\n" "http://host:$1/up"
    sha256sum < /tmp/file | cut -d " " -f 1' bash "$port")
{ read -r down; read -r up; read -r digest; } <<< "$found"
expected=$(sum < "$place/files/down")
expect "what came down" "$expected" "$digest"
expect "what went up" "$expected" "$(sum < "$place/files/up")"
echo "pass: $((down / 1000000)) MB/s down, $((up / 1000000)) MB/s up" > "$place/figure"
rm -r "$place/files"
