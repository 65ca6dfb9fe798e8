# title: npm
# what: `npm install` of a package and the one that it needs, from a registry over HTTP; node runs it
port=$(free_port)
# A registry is a document for each package, which has the address and the hash of each version.
mkdir "$place/registry"
(cd "$place/registry" && "$PYTHON" - "http://host:$port" << 'P'
import base64
import hashlib
import io
import json
import sys
import tarfile


def package(name, code, dependencies):
    about = {"name": name, "version": "1.0.0", "dependencies": dependencies}
    archive = f"{name}-1.0.0.tgz"
    with tarfile.open(archive, "w:gz") as files:
        for file, text in (("package.json", json.dumps(about)), ("index.js", code)):
            entry = tarfile.TarInfo(f"package/{file}")
            entry.size = len(text)
            files.addfile(entry, io.BytesIO(text.encode()))
    with open(archive, "rb") as file:
        digest = base64.b64encode(hashlib.sha512(file.read()).digest()).decode()
    about["dist"] = {"tarball": f"{sys.argv[1]}/{archive}", "integrity": f"sha512-{digest}"}
    document = {"name": name, "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": about}}
    with open(name, "w") as file:
        json.dump(document, file)


package("greeting-c2w", "module.exports = (from) => `hello from ${from}`;\n", {})
package("hello-c2w", "module.exports = require('greeting-c2w')('a package');\n",
        {"greeting-c2w": "^1.0.0"})
P
)
server "$PYTHON" "$SERVERS" files "$port" "$place/registry"
listening "$port"
found=$(container -- bash -ec '
    cd /tmp
    export npm_config_registry="http://host:$1"
    npm install --no-audit --no-fund hello-c2w
    node -e "console.log(require(\"hello-c2w\"))"' bash "$port" | sed '/^added/s/ in .*//')
expect "what it said" $'\nadded 2 packages\nhello from a package' "$found"
grep -q 'GET /greeting-c2w-1.0.0.tgz HTTP/1.1" 200' "$place/server-0.log"
