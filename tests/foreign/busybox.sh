# title: busybox
# what: shell, sort, awk, sed, tar, gzip, sha256sum
# image: tools
for name in sh seq sort awk sed tar gzip sha256sum wc cmp; do ln -sf /bin/busybox "/tmp/$name"; done
export PATH=/tmp
sh -e << 'S'
cd /tmp
seq 3000 | sort -r | sha256sum
seq 1000 | awk '{ s += $1 * $1 } END { printf "%d %.3f\n", s, s / 7 }'
echo "one two three" | sed -E 's/(\w+) (\w+)/\2 \1/'
seq 5000 > data && tar -cz -f data.tgz data && tar -xOzf data.tgz | cmp - data && echo same
(exit 7) || echo "status $?"
S
