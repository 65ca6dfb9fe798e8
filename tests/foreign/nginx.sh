# title: nginx, curl
# what: serve a file and a range of it to curl on loopback with two workers, 404, graceful stop
# image: tools
cd /tmp && mkdir -p www && seq 20000 > www/numbers.txt
cat > nginx.conf << 'N'
user www-data;
worker_processes 2;
error_log /tmp/error.log error;
pid /tmp/nginx.pid;
events { worker_connections 64; }
http {
    access_log /tmp/access.log;
    sendfile on;
    gzip on;
    server { listen 127.0.0.1:8080; root /tmp/www; }
}
N
nginx -t -q -c /tmp/nginx.conf && nginx -c /tmp/nginx.conf
for i in $(seq 100); do curl -s -o /dev/null http://127.0.0.1:8080/ && break; sleep 0.1; done
curl -s http://127.0.0.1:8080/numbers.txt | sha256sum
curl -s -r 10-29 http://localhost:8080/numbers.txt
curl -s --compressed -o unzipped http://127.0.0.1:8080/numbers.txt && cmp unzipped www/numbers.txt && echo same
curl -s -o /dev/null -w '%{http_code} %{content_type}\n' http://127.0.0.1:8080/none
nginx -c /tmp/nginx.conf -s quit 2> /dev/null
for i in $(seq 100); do [ -e /tmp/nginx.pid ] || break; sleep 0.1; done
sed 's/.*\[error\] [^ ]* //' /tmp/error.log
