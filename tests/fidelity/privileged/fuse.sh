# title: FUSE
# what: squashfuse, bindfs and fuse2fs mount, read and write; each is unmounted
# options: --cap-add SYS_ADMIN
# judge: expected
cd /tmp && mkdir tree place && echo text > tree/file && ln -s file tree/link
mksquashfs tree image.squashfs -quiet -no-progress > /dev/null 2>&1
squashfuse image.squashfs place && cat place/link; umount place; ls place | wc -l
bindfs --map=root/nobody tree place && stat -c '%U %n' place/file
echo more >> place/file; fusermount3 -u place; cat tree/file
truncate -s 8M disk && mkfs.ext4 -q disk && fuse2fs -o fakeroot disk place 2> /dev/null
mkdir place/folder && cp tree/file place/folder/ && sync && umount place
sleep 1; debugfs -R 'cat folder/file' disk 2> /dev/null
ls -l /dev/fuse | cut -d ' ' -f 1,5-6
