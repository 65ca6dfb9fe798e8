# title: podman, buildah
# what: an image is built from nothing with the vfs driver, and run as a container in the container
# options: --privileged
# memory: 512
# note: with 512 MiB
# judge: expected
printf '[storage]\ndriver = "vfs"\ngraphroot = "/tmp/store"\nrunroot = "/tmp/run"\n' > /etc/containers/storage.conf
export BUILDAH_ISOLATION=chroot
container=$(buildah from scratch)
buildah copy -q "$container" /bin/busybox /bin/busybox > /dev/null
buildah run "$container" /bin/busybox uname -m
buildah config --entrypoint '["/bin/busybox"]' --cmd 'echo built' "$container"
buildah commit -q "$container" tiny > /dev/null
podman run --rm --network none tiny 2> /dev/null
podman run --rm --network none --pid private tiny sh -c 'echo $$; exit 7' 2> /dev/null; echo "$?"
podman images --format '{{.Repository}}'
