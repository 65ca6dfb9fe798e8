# title: the system
# what: /proc and /dev, limits, 10,000 open files, locks, xattrs, FIFOs, deep recursion in C, signals
cd /tmp
ls /dev | grep -v -e console -e '^pt' | tr '\n' ' '
stat -c '%a %F %t:%T' /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty
readlink /dev/fd /dev/stdin /proc/self/cwd
grep -E '^(CapEff|NoNewPrivs|Seccomp_filters)' /proc/self/status | grep -v Cap
echo shm > /dev/shm/x && cat /dev/shm/x && stat -f -c %T /dev/shm
python3 - <<'E'
import fcntl, mmap, os, resource, select, signal, socket, struct, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (20000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
files = [os.open("/etc/passwd", os.O_RDONLY) for _ in range(10000)]
print(len(files)); [os.close(f) for f in files]
open("a", "w").write("x" * 5000); os.setxattr("a", "user.key", b"value"); print(os.getxattr("a", "user.key"))
os.link("a", "b"); print(os.stat("a").st_nlink); os.rename("b", "c"); print(sorted(os.listdir(".")))
with open("a", "r+b") as f:
    fcntl.flock(f, fcntl.LOCK_EX); fcntl.lockf(f, fcntl.LOCK_EX, 10)
    m = mmap.mmap(f.fileno(), 0); m[:5] = b"mmap!"; m.flush(); print(open("a", "rb").read(6))
    os.posix_fallocate(f.fileno(), 0, 100000); print(os.fstat(f.fileno()).st_size)
    f.truncate(3); print(os.path.getsize("a"))
os.mkfifo("fifo")
if os.fork() == 0: open("fifo", "w").write("through the fifo"); os._exit(0)
print(open("fifo").read()); os.wait()
reader, writer = os.pipe(); print(fcntl.fcntl(writer, 1032) >= 4096)
poll = select.epoll(); poll.register(reader, select.EPOLLIN); os.write(writer, b"x"); print(len(poll.poll(5)))
signal.signal(signal.SIGALRM, lambda *_: None); signal.setitimer(signal.ITIMER_REAL, 0.05); signal.pause(); print("alarm")
start = time.monotonic(); time.sleep(1.5); took = time.monotonic() - start; print(1.5 <= took < 5)
print(os.sched_getaffinity(0) != set(), os.nice(5), os.getpriority(os.PRIO_PROCESS, 0))
us, them = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET); socket.send_fds(us, [b"fd"], [0]); print(len(socket.recv_fds(them, 9, 3)[1]))
fd = os.memfd_create("x"); os.write(fd, b"memfd"); print(os.pread(fd, 5, 0))
print(os.wait4(os.posix_spawn("/bin/sh", ["sh", "-c", "kill -SEGV $$"], {}), 0)[1] & 0x7f)
E
cat > deep.c <<'E'
int deep(int n) { volatile char frame[1000]; frame[n % 1000] = 1; return deep(n + 1) + frame[5]; }
int main(void) { return deep(0); }
E
gcc -w -O0 -o deep deep.c; { ./deep; echo "$?"; } 2> /dev/null
date -u -d @86400 +%FT%T; [ "$(date +%Y)" -ge 2026 ] && echo now
tar -cf - --sort=name --mtime=@0 /usr/include/linux 2>/dev/null | sha256sum
umask; id; hostname > /dev/null && echo named
kill -l | sha256sum
