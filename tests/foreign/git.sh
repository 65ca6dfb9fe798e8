# title: git
# what: init, add, commit, branch, merge, log, local clone, gc, fsck
# image: tools
export HOME=/tmp GIT_AUTHOR_DATE='2026-01-02T03:04:05Z' GIT_COMMITTER_DATE='2026-01-02T03:04:05Z'
git config --global user.name Tester
git config --global user.email tester@example.test
git config --global init.defaultBranch main
git init -q /tmp/a && cd /tmp/a
for i in 1 2; do seq "$i" 100 > "file$i"; git add .; git commit -q -m "Commit $i"; done
git checkout -q -b side HEAD~1 && echo side > side && git add side && git commit -q -m Side
git checkout -q main && git merge -q -m Merge side
git log --oneline --graph
git clone -q --bare "file:///tmp/a" /tmp/c && git -C /tmp/c fsck --full 2> /dev/null && echo clean
git gc -q && git count-objects -v | grep -v size
