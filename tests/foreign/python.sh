# title: python
# what: 8 threads with a lock and a queue, floats, subprocess, sqlite3, ssl, asyncio
# image: python
cat > /tmp/main.py << 'P'
import asyncio, hashlib, json, math, os, platform, queue, sqlite3, ssl, struct, subprocess, sys, threading
print(platform.machine(), os.uname().machine, struct.calcsize("P"))
work, lock, results = queue.Queue(), threading.Lock(), {}
def worker():
    while (item := work.get()) is not None:
        value = hashlib.sha256(str(item).encode() * 50).hexdigest()
        with lock:
            results[item] = value
threads = [threading.Thread(target=worker) for _ in range(8)]
for thread in threads: thread.start()
for item in range(400): work.put(item)
for _ in threads: work.put(None)
for thread in threads: thread.join()
print(hashlib.sha256(json.dumps(results, sort_keys=True).encode()).hexdigest())
values = [f(i / 7) for i in range(1, 500) for f in (math.sin, math.exp, math.sqrt, math.log)]
print(hashlib.sha256(struct.pack(f"{len(values)}d", *values)).hexdigest(), sum(values))
print(subprocess.run(["sh", "-c", "echo child; exit 3"], capture_output=True))
base = sqlite3.connect(":memory:")
print(base.execute("select sqlite_version() > '3', 6 * 7").fetchall(), ssl.OPENSSL_VERSION)
async def main(): return await asyncio.gather(*(asyncio.sleep(0.01, i) for i in range(5)))
print(asyncio.run(main()))
def deep(n): return deep(n + 1)
try: deep(0)
except RecursionError as error: print(error)
sys.stdout.flush(); os.kill(os.getpid(), 15)
P
# Not as process 1, which a signal of its own ends under QEMU only (docs/platforms.md).
python3 /tmp/main.py > /tmp/out; status=$?
cat /tmp/out; exit $status
