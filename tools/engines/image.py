# SPDX-License-Identifier: Apache-2.0
"""Container images without a registry: a root file system of a static busybox, as a plain archive (docker import, podman
import) and as an OCI image (ctr image import)."""
import hashlib
import io
import json
import os
import platform
import subprocess
import tarfile

BUSYBOX = "/bin/busybox"
DIRECTORIES = ("bin", "dev", "etc", "home", "proc", "root", "run", "sys", "tmp", "usr", "usr/bin", "var", "var/tmp")
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
    "etc/group": "root:x:0:\ntty:x:5:\nuser:x:1000:\nwheel:x:10:user\nnogroup:x:65534:\n",
    "etc/noexec": "a file that is not executable\n",
}
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def _add(archive, name, mode, content=None, link=None):
    entry = tarfile.TarInfo(name)
    entry.mode = mode
    if link:
        entry.type, entry.linkname = tarfile.SYMTYPE, link
    elif content is None:
        entry.type = tarfile.DIRTYPE
    else:
        entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content) if content is not None else None)


def _applets():
    """The applets of this host's busybox; an image needs no more than its program and their names."""
    if not os.path.exists(BUSYBOX):
        raise FileNotFoundError(f"{BUSYBOX} is missing: install busybox-static, of which the image is made")
    listed = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    return [name for name in listed if name != "busybox"]


def rootfs_tar(path):
    """Writes the root file system as an archive."""
    with tarfile.open(path, "w") as archive:
        for name in DIRECTORIES:
            _add(archive, name, 0o1777 if name.endswith("tmp") else 0o755)
        for name, text in FILES.items():
            _add(archive, name, 0o644, text.encode())
        with open(BUSYBOX, "rb") as program:
            _add(archive, "bin/busybox", 0o755, program.read())
        for applet in _applets():
            _add(archive, f"bin/{applet}", 0o777, link="busybox")


def oci_archive(path, name, command=("/bin/sh",)):
    """Writes an OCI image archive of one layer, with a reference of that name."""
    layer = path + ".layer"
    rootfs_tar(layer)
    with open(layer, "rb") as file:
        layer_bytes = file.read()
    os.unlink(layer)
    config = _blob({"architecture": ARCHITECTURES.get(platform.machine(), platform.machine()), "os": "linux",
                    "config": {"Cmd": list(command), "Env": ["PATH=/bin:/usr/bin"]},
                    "rootfs": {"type": "layers", "diff_ids": [_digest(layer_bytes)]}})
    manifest = _blob({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                      "config": _descriptor("config", config, "+json"),
                      "layers": [_descriptor("layer", layer_bytes, ".tar")]})
    index = dict(_descriptor("manifest", manifest, "+json"),
                 annotations={"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.split(":")[-1]})
    with tarfile.open(path, "w") as archive:
        _add(archive, "oci-layout", 0o644, _blob({"imageLayoutVersion": "1.0.0"}))
        _add(archive, "index.json", 0o644, _blob({"schemaVersion": 2, "manifests": [index]}))
        for blob in (config, layer_bytes, manifest):
            _add(archive, "blobs/sha256/" + hashlib.sha256(blob).hexdigest(), 0o644, blob)


def _blob(document):
    return json.dumps(document, sort_keys=True).encode()


def _digest(blob):
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def _descriptor(kind, blob, form):
    media = f"application/vnd.oci.image.{kind}.v1{form}"
    return {"mediaType": media, "digest": _digest(blob), "size": len(blob)}
