# title: pip
# what: `pip install` of a wheel from a simple index over HTTP; its module is imported
mkdir -p "$place/index/simple/hello-c2w"
# A wheel is a ZIP file with a module and three files about it.
(cd "$place/index/simple/hello-c2w" && "$PYTHON" - << 'P'
import zipfile

about = "hello_c2w-1.0.dist-info/"
name = "hello_c2w-1.0-py3-none-any.whl"
with zipfile.ZipFile(name, "w") as wheel:
    wheel.writestr("hello_c2w.py", "def hello():\n    return 'hello from a wheel'\n")
    wheel.writestr(about + "METADATA", "Metadata-Version: 2.1\nName: hello-c2w\nVersion: 1.0\n")
    wheel.writestr(about + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    files = ["hello_c2w.py", about + "METADATA", about + "WHEEL", about + "RECORD"]
    wheel.writestr(about + "RECORD", "".join(f"{file},,\n" for file in files))
with open("index.html", "w") as index:
    index.write(f'<!DOCTYPE html><html><body><a href="{name}">{name}</a></body></html>\n')
P
)
port=$(free_port)
server "$PYTHON" -m http.server --bind 127.0.0.1 --directory "$place/index" "$port"
listening "$port"
found=$(container -- bash -ec '
    pip install -q --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
        --break-system-packages --index-url "http://host:$1/simple" --trusted-host host hello-c2w 2>&1
    python3 -c "import hello_c2w; print(hello_c2w.hello())"' bash "$port")
expect "what it said" "hello from a wheel" "$found"
