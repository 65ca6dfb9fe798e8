# title: gdb
# what: run, step, read registers and memory, stop at a function of libc, attach, read a core file
# note: gdb 16 has no `catch syscall` for riscv64
# judge: expected
cd /tmp
cat > script <<'E'
set confirm off
set pagination off
set debuginfod enabled off
starti
stepi
stepi
print $pc != 0
print (long)$sp % 16
set breakpoint pending on
break write
continue
bt 1
delete
continue
E
gdb -q -batch -nx -x script --args /bin/echo traced 2> err \
    | grep -E '^(\$|traced|\[Inferior|Breakpoint|#0)' \
    | sed 's/process [0-9]*/process N/; s/0x[0-9a-f]*/ADDRESS/g'
sleep 60 & sleep 0.2
gdb -q -batch -nx -p $! -ex 'print $a7' -ex detach 2> /dev/null | grep -E '^\$'
kill $!
{ (ulimit -c unlimited; sh -c 'kill -ABRT $$'); echo "$?"; } 2> /dev/null
gdb -q -batch -nx /bin/sh core* 2> /dev/null | grep terminated
