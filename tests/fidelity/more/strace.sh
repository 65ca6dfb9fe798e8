# title: strace
# what: system calls of a program and its child, an injected fault, a count
# judge: expected
cd /tmp && echo text > file
strace -o trace -e trace=openat,write,exit_group cat file
grep -E 'openat.*"file"|write|exit' trace
strace -f -o trace -e trace=execve sh -c '/bin/true; /bin/false'; echo "$?"
grep -c 'execve.*= 0' trace
strace -o trace -e inject=openat:error=EACCES:when=3+ cat file 2>&1; echo "$?"
strace -c -o trace true && grep -c execve trace
sleep 60 & sleep 0.2
timeout 2 strace -o trace -p $! 2> /dev/null; echo "$?"; grep -c nanosleep trace; kill $!
