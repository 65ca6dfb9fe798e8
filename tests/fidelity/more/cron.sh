# title: cron, busybox crond
# what: each runs a job of its crontab in the next minute
echo '* * * * * root echo "cron runs as $(id -un) in $PWD" > /tmp/cron' > /etc/cron.d/job
mkdir -p /var/spool/crontabs
echo '* * * * * echo "crond runs in $PWD" > /tmp/crond' > /var/spool/crontabs/root
cron
busybox crond -c /var/spool/crontabs -L /tmp/log
for i in $(seq 1300); do [ -s /tmp/cron ] && [ -s /tmp/crond ] && break; sleep 0.1; done
cat /tmp/cron /tmp/crond
