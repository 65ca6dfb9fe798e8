# title: python
# what: floats, json, ssl, sqlite3, threads, subprocess, asyncio, multiprocessing, deep recursion
cat > /tmp/all.py <<'E'
import asyncio, ctypes, decimal, hashlib, json, lzma, math, os, resource, socket
import sqlite3, ssl, struct, subprocess, sys, tempfile, threading, time, zlib, zoneinfo, datetime
values = [f(i / 7) for i in range(1, 2000) for f in (math.sin, math.exp, math.sqrt, math.log)]
print(hashlib.sha256(struct.pack(f"{len(values)}d", *values)).hexdigest(), sum(values))
print(json.dumps(json.loads('{"a": [1, 2.5, null, "\\u00e9"]}'), sort_keys=True))
print(ssl.OPENSSL_VERSION, len(ssl.create_default_context().get_ciphers()))
base = sqlite3.connect("/tmp/python.db")
base.execute("create table t (a integer primary key, b text)")
base.executemany("insert into t (b) values (?)", ((str(n * n),) for n in range(2000)))
base.commit()
print(base.execute("select count(*), sum(b), max(b) from t").fetchall())
print(zlib.crc32(lzma.decompress(lzma.compress(bytes(range(256)) * 400))))
print(decimal.Decimal(2).sqrt(), 2 ** 200, math.factorial(30))
print(datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")).isoformat())
counter, lock = 0, threading.Lock()
def count():
    global counter
    for _ in range(500):
        with lock: counter += 1
threads = [threading.Thread(target=count) for _ in range(20)]
[t.start() for t in threads]; [t.join() for t in threads]; print(counter)
print(subprocess.run(["sh", "-c", "cat; echo error >&2; exit 3"], input=b"in", capture_output=True))
async def echo(reader, writer):
    writer.write((await reader.read(100)).upper()); writer.close()
async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async def one(i):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello %d" % i); return await reader.read(100)
    print(await asyncio.gather(*(one(i) for i in range(10))))
asyncio.run(main())
left, right = socket.socketpair(); left.send(b"pair"); print(right.recv(10))
print(ctypes.CDLL(None).strlen(b"twelve bytes"))
def recurse(n): return recurse(n + 1)
try: recurse(0)
except RecursionError as error: print(type(error).__name__)
sys.exit(4)
E
cat > /tmp/processes.py <<'E'
import multiprocessing, os, time
def square(n): return n * n
if __name__ == "__main__":
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(3) as pool:
            print(method, pool.map(square, range(10)))
    queue = multiprocessing.Queue(); queue.put("queue"); print(queue.get())
    from multiprocessing import shared_memory
    block = shared_memory.SharedMemory(create=True, size=1 << 20); block.buf[:3] = b"shm"
    print(bytes(shared_memory.SharedMemory(block.name).buf[:3])); block.close(); block.unlink()
    print(os.cpu_count() >= 1, time.get_clock_info("monotonic").implementation)
E
python3 -W ignore /tmp/all.py; echo "$?"
python3 -W ignore /tmp/processes.py
