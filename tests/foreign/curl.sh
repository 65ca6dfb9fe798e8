# title: curl
# what: `--version`, a file, a host that is not there, a port that nobody listens on
# image: tools
curl --version
curl -s file:///etc/debian_version
curl -sS http://nowhere.invalid/; echo "$?"
curl -s http://127.0.0.1:1/; echo "$?"
