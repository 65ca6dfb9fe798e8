# title: sudo
# what: a user becomes root without a password, another is refused, environment is reset
# judge: expected
useradd -m -s /bin/bash alice && useradd -m bob
echo 'alice ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/alice && chmod 440 /etc/sudoers.d/alice
visudo -c -q && echo valid
runuser -u alice -- sudo -n id -un
runuser -u alice -- sudo -n -u bob id -un
runuser -u alice -- sudo -n sh -c 'echo $SUDO_USER $HOME; exit 7'; echo "$?"
runuser -u bob -- sudo -n id 2>&1; echo "$?"
runuser -u alice -- sudo -n -l 2>&1 | tail -1
sudo -n -u alice env A=1 sh -c 'echo $A'
