# title: su
# what: to another user and back, with its groups, environment and shell; a right and a wrong password
# judge: expected
useradd -m -s /bin/bash alice && echo 'alice:secret' | chpasswd
su alice -c 'id; echo $HOME; touch /etc/x' 2>&1
su - alice -c 'pwd; echo $USER $SHELL; umask'
su alice -c 'echo wrong | su -c id root' 2>&1; echo "$?"
su alice -c 'echo secret | su -c id alice' 2>&1
su nobody -s /bin/sh -c 'id -u; exit 5'; echo "$?"
runuser -u alice -- id -un
setpriv --reuid=1000 --regid=1000 --clear-groups id
passwd -S alice | cut -d ' ' -f 1-2
