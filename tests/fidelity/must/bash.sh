# title: bash
# what: jobs, traps, process substitution, coprocesses, here documents, arrays, globs
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
kill -USR1 $$
sleep 100 & sleep 0.3; kill %1; wait %1; echo "$?"
{ (ulimit -t 1; while :; do :; done); echo "$?"; } 2> /dev/null
cat <<< "$((2 ** 40)) $(printf '%q' $'a\tb c')"
shopt -s extglob nullglob
cd /etc && echo !(*[a-z0-9]) pass*
mapfile -t lines < /etc/debian_version && echo "${#lines[@]}"
timeout 1 sleep 10; echo "$?"
set -m
sleep 0.1 & wait $!; echo "$?"
ulimit -n
