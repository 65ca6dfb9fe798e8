# title: nginx
# what: serve a file and a range of it to curl and python, 404, 50 requests, graceful stop
cd /tmp && mkdir -p www && seq 20000 > www/numbers.txt
cat > nginx.conf <<'E'
user www-data;
worker_processes 2;
error_log /tmp/error.log error;
pid /tmp/nginx.pid;
events { worker_connections 64; }
http {
    include /etc/nginx/mime.types;
    access_log /tmp/access.log;
    sendfile on;
    gzip on;
    server { listen 127.0.0.1:8080; listen [::1]:8080; root /tmp/www; }
}
E
nginx -t -q -c /tmp/nginx.conf && nginx -c /tmp/nginx.conf
for i in $(seq 100); do curl -s -o /dev/null http://127.0.0.1:8080/ && break; sleep 0.1; done
curl -s http://127.0.0.1:8080/numbers.txt | sha256sum
curl -s -r 10-29 http://localhost:8080/numbers.txt | od -c
curl -s -g 'http://[::1]:8080/numbers.txt' | tail -1
curl -s --compressed -o unzipped http://127.0.0.1:8080/numbers.txt && cmp unzipped www/numbers.txt && echo same
curl -s -o /dev/null -w '%{http_code} %{content_type}\n' http://127.0.0.1:8080/none
python3 -c 'import urllib.request as r
for i in range(50): data = r.urlopen("http://127.0.0.1:8080/numbers.txt").read()
print(len(data))'
ps -C nginx -o user= | sort | uniq -c
nginx -c /tmp/nginx.conf -s quit 2> /dev/null
for i in $(seq 100); do [ -e /tmp/nginx.pid ] || break; sleep 0.1; done
curl -s http://127.0.0.1:8080/; echo "$?"
awk '{ print $9 }' /tmp/access.log | sort | uniq -c
