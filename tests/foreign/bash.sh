# title: bash
# what: jobs, traps, process substitution, coprocesses, arrays, globs, arithmetic
# image: tools
declare -A map=([x]=1 [y]=2)
for key in x y; do echo "$key=${map[$key]}"; done
false | true | false
echo "${PIPESTATUS[@]}"
diff <(seq 5) <(seq 2 6)
coproc tr a-z A-Z
exec {from}<&"${COPROC[0]}"
echo coprocess >&"${COPROC[1]}"
exec {COPROC[1]}>&-
read -r -u "$from" line && echo "$line"
trap 'echo usr1' USR1
kill -USR1 $BASHPID
sleep 100 & kill $!; wait $!; echo "$?"
{ bash -c 'kill -SEGV $$'; echo "$?"; } 2> /dev/null
cat <<< "$((2 ** 40)) $(printf '%q' $'a\tb c')"
shopt -s extglob nullglob
cd /etc && echo !(*[a-z0-9]) pass*
for i in {1..2000}; do sum=$((sum + i * i)); done; echo "$sum"
timeout 1 sleep 10; echo "$?"
ulimit -n
uname -m
exit 9
