"""An OCI layout of one layer, always the same: bench_layout.py plain|gzip|zstd MEGABYTES FOLDER

30,000 files in 10,400 directories for each 500 MB; half of each file is text, half is noise."""

import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tarfile

kind, megabytes, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
files, directories = 60 * megabytes, 104 * megabytes // 5
blobs = f"{folder}/blobs/sha256"
os.makedirs(blobs)
chance = random.Random(1)
words = [bytes(chance.choices(b"etaoinshrdlu \n", k=chance.randint(3, 11))) for _ in range(4000)]


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def keep(path):
    name, size = digest(path), os.path.getsize(path)
    os.rename(path, f"{blobs}/{name}")
    return {"digest": f"sha256:{name}", "size": size}


def document(kind, value):
    path = f"{folder}/document"
    with open(path, "w") as file:
        json.dump(value, file)
    return {"mediaType": f"application/vnd.oci.image.{kind}.v1+json", **keep(path)}


def content(size):
    text = bytearray()
    while len(text) < size // 2:
        text += b" ".join(chance.choices(words, k=200))
    return bytes(text[: size // 2]) + chance.randbytes(size - size // 2)


def member(name, **fields):
    info = tarfile.TarInfo(name)
    info.mode, info.mtime = 0o755, 1_700_000_000
    for field, value in fields.items():
        setattr(info, field, value)
    return info


tar = f"{folder}/layer.tar"
with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as archive:
    paths = []
    for i in range(directories):
        # A tree three deep, ever wider.
        paths.append(f"{paths[i // 8 - 1]}/n{i}" if i >= 400 and i // 8 < 3000 else f"d{i}")
        archive.addfile(member(paths[i], type=tarfile.DIRTYPE))
    average = megabytes * 1_000_000 // files
    for i in range(files):
        size = min(int(chance.expovariate(1 / average)), 40 * average)
        archive.addfile(member(f"{paths[i % directories]}/file{i}", size=size), io.BytesIO(content(size)))

diff_id = f"sha256:{digest(tar)}"
media_type = "application/vnd.oci.image.layer.v1.tar"
if kind == "gzip":
    subprocess.run(["gzip", "-6n", tar], check=True)
    tar, media_type = f"{tar}.gz", f"{media_type}+gzip"
elif kind == "zstd":
    subprocess.run(["zstd", "-q", "--rm", tar], check=True)
    tar, media_type = f"{tar}.zst", f"{media_type}+zstd"
config = document("config", {
    "architecture": "riscv64",
    "os": "linux",
    "config": {},
    "rootfs": {"type": "layers", "diff_ids": [diff_id]},
})
manifest = document("manifest", {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.manifest.v1+json",
    "config": config,
    "layers": [{"mediaType": media_type, **keep(tar)}],
})
with open(f"{folder}/index.json", "w") as file:
    json.dump({"schemaVersion": 2, "manifests": [manifest]}, file)
with open(f"{folder}/oci-layout", "w") as file:
    file.write('{"imageLayoutVersion":"1.0.0"}')
