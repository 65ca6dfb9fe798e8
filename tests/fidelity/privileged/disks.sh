# title: loop devices
# what: images of ext4 and squashfs mounted by loop devices, an overlay and a tmpfs over them
# options: --privileged
# judge: expected
cd /tmp && mkdir tree disk read upper && echo text > tree/file
mksquashfs tree tree.squashfs -quiet -no-progress -comp zstd > /dev/null 2>&1
truncate -s 8M ext4 && mkfs.ext4 -q ext4
mount -o loop ext4 disk && cp tree/file disk/ && df --output=fstype disk | tail -n 1
mount -o loop tree.squashfs read && cat read/file && touch read/x 2> /dev/null || echo refused
losetup -l -n -O BACK-FILE | sort
mount -t tmpfs none upper && mkdir upper/up upper/work upper/all
mount -t overlay -o lowerdir=read,upperdir=upper/up,workdir=upper/work none upper/all
echo more >> upper/all/file; cat upper/up/file
umount upper/all upper read disk; losetup -l -n | wc -l
