# title: redis
# what: server on loopback: set, get, incr, lists, a script, a background save
# image: tools
cd /tmp
# QEMU's /proc/self/smaps has only zeros, which redis takes for a fault of an arm64 kernel.
redis-server --port 6379 --bind 127.0.0.1 --daemonize yes --dir /tmp --logfile /tmp/redis.log \
    --ignore-warnings ARM64-COW-BUG > /dev/null
for i in $(seq 100); do redis-cli ping > /dev/null 2>&1 && break; sleep 0.1; done
redis-cli << 'R'
ping
set greeting hello
get greeting
incr counter
incrby counter 41
rpush list a b c d
lrange list 1 -1
eval 'return redis.call("incrby", KEYS[1], ARGV[1]) * 2' 1 counter 39
bgsave
R
for i in $(seq 100); do redis-cli info persistence | grep -q '^rdb_bgsave_in_progress:0' && break; sleep 0.1; done
redis-cli info persistence | grep '^rdb_last_bgsave_status'
redis-cli shutdown; wait
redis-check-rdb /tmp/dump.rdb | grep -c 'keys read'
