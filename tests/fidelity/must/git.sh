# title: git
# what: init, commit, branch, merge, log, blame, local clone, gc, fsck
export HOME=/tmp GIT_AUTHOR_DATE='2026-01-02T03:04:05Z' GIT_COMMITTER_DATE='2026-01-02T03:04:05Z'
git config --global user.name Tester
git config --global user.email tester@example.test
git config --global init.defaultBranch main
git init -q /tmp/a && cd /tmp/a
for i in 1 2 3; do seq "$i" 200 > "file$i"; git add .; git commit -q -m "Commit $i"; done
git checkout -q -b side HEAD~1 && echo side > side && git add side && git commit -q -m Side
git checkout -q main && git merge -q -m Merge side
git log --oneline --graph
git blame -s file2 | tail -1
git clone -q /tmp/a /tmp/b && git -C /tmp/b log -1 --format=%H
git clone -q --bare "file:///tmp/a" /tmp/c && git -C /tmp/c fsck --full 2>/dev/null && echo clean
git gc -q && git count-objects -v | grep -v size
git archive HEAD | tar -t
git diff --stat HEAD~2
git -C /tmp/b grep -c 199
