# title: redis
# what: server on loopback: set, get, incr, lists, scripts, a background save, a small benchmark
cd /tmp
redis-server --port 6379 --bind 127.0.0.1 --daemonize yes --dir /tmp --logfile /tmp/redis.log --appendonly yes > /dev/null
for i in $(seq 100); do redis-cli ping > /dev/null 2>&1 && break; sleep 0.1; done
redis-cli ping
redis-cli set greeting hello
redis-cli get greeting
for i in 1 2 3; do redis-cli incr counter; done
redis-cli rpush list a b c d && redis-cli lrange list 1 -1
redis-cli hset hash one 1 two 2 && redis-cli hgetall hash
redis-cli eval 'return redis.call("incrby", KEYS[1], ARGV[1]) * 2' 1 counter 39
redis-cli set brief x px 50 && sleep 0.2 && redis-cli exists brief
redis-benchmark -q -n 500 -c 5 -t set,get,incr 2>&1 | tr '\r' '\n' | grep -c 'requests per second'
redis-cli get counter:__rand_int__
redis-cli bgsave
for i in $(seq 100); do redis-cli info persistence | grep -q '^rdb_bgsave_in_progress:0' && break; sleep 0.1; done
redis-cli info persistence | grep -E '^(rdb_last_bgsave_status|aof_last_write_status)'
redis-cli shutdown; wait
redis-check-rdb /tmp/dump.rdb | grep -c 'keys read'
grep -c 'Ready to accept connections' /tmp/redis.log
grep -i warning /tmp/redis.log | sed 's/.*WARNING/WARNING/' | grep -v overcommit | head
