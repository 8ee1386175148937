"""Idmapped mounts: whose a file is inside and on disk, and what the kernel or the document does not allow."""
import os

import pytest

import host
from containers import assert_refused
from rig import wherry_only

pytestmark = wherry_only("runc takes them from 1.2 on, with other words")
DISK = 100000


def mapping(first, size=65536):
    return [{"containerID": 0, "hostID": first, "size": size}]


def idmapped(c, destination, source, options, first=None):
    """Bind source with the options, mapped on its own when first is given."""
    c.bundle.mount(destination, source, "none", options)
    if first is not None:
        c.bundle.config["mounts"][-1].update(uidMappings=mapping(first), gidMappings=mapping(first))
    return c


def owner(path):
    st = os.lstat(path)
    return st.st_uid, st.st_gid


@pytest.fixture
def volume(tmp_path):
    """A directory of files of several owners, whom everybody may reach."""
    top = tmp_path / "volume"
    top.mkdir(mode=0o777)
    top.chmod(0o777)
    for name, uid in (("root", 0), ("user", 1000), ("far", 70000)):
        (top / name).write_text(name)
        os.chown(top / name, uid, uid)
    yield top
    host.umount_below(top)


OWNERS = "cd /idm && stat -c '%u:%g' root user far; cat user"


@pytest.mark.parametrize("own", [True, False], ids=["own-mappings", "containers-mappings"])
def test_disk_ids_are_the_containers(container, volume, own):
    """In a user namespace with the same mappings the ids on disk are the ids inside, both ways."""
    c = container()
    c.bundle.map_ids(DISK).capabilities(**dict.fromkeys(("bounding", "effective", "permitted"), ["CAP_CHOWN"]))
    idmapped(c, "/idm", volume, ["bind", "idmap"], DISK if own else None).bundle.mount("/plain", volume, "none", ["bind"])
    c.up()
    assert c.sh(OWNERS).split() == ["0:0", "1000:1000", "65534:65534", "user"]
    assert c.sh("stat -c %u /plain/root").strip() == "65534"
    c.sh("touch /idm/made; chown 7:8 /idm/made")
    assert owner(volume / "made") == (7, 8)
    (volume / "later").touch()
    os.chown(volume / "later", 5, 6)
    assert c.sh("stat -c '%u:%g' /idm/later").strip() == "5:6"
    assert c.exec("chown", "1:1", "/idm/far").rc != 0, "an owner outside of the mapping"
    assert owner(volume / "far") == (70000, 70000)


@pytest.mark.parametrize("options", [["bind", "idmap"], ["bind"], ["rbind", "ridmap"]], ids="-".join)
def test_without_a_user_namespace(container, volume, options):
    """Mappings of the mount's own ask for it by themselves, as Podman's do."""
    c = container()
    idmapped(c, "/idm", volume, options, first=5000)
    c.up()
    assert c.sh(OWNERS).split() == ["5000:5000", "6000:6000", "65534:65534", "user"]
    made = c.exec("touch", "/idm/made")
    assert made.rc != 0 and "large" in made.err, "root of the host has no id on this mount"
    c.exec("/bin/sh", "-c", "touch /idm/made", flags=["--user", "5007:5008"], check=True)
    assert owner(volume / "made") == (7, 8)
    assert owner(volume / "root") == (0, 0)


def test_users_and_groups_are_mapped_apart(container, volume):
    c = container()
    idmapped(c, "/idm", volume, ["bind", "idmap"], first=5000)
    c.bundle.config["mounts"][-1]["gidMappings"] = [{"containerID": 1000, "hostID": 9, "size": 1},
                                                    {"containerID": 0, "hostID": 8, "size": 1}]
    c.up()
    assert c.sh("stat -c '%u:%g' /idm/root /idm/user").split() == ["5000:8", "6000:9"]


def test_several_mounts_each_with_its_mapping(container, volume):
    c = container()
    for first in (3000, 4000, 3000):
        idmapped(c, f"/idm{len(c.bundle.config['mounts'])}", volume, ["bind", "idmap"], first)
    places = [m["destination"] for m in c.bundle.config["mounts"] if m["destination"].startswith("/idm")]
    c.up()
    assert c.sh(f"stat -c %u {' '.join(p + '/root' for p in places)}").split() == ["3000", "4000", "3000"]


def test_a_file(container, volume):
    c = container()
    idmapped(c, "/etc/mapped", volume / "user", ["bind", "idmap", "ro"], first=5000)
    c.up()
    assert c.sh("stat -c '%u:%g' /etc/mapped; cat /etc/mapped").split() == ["6000:6000", "user"]
    assert c.exec("/bin/sh", "-c", "echo x >> /etc/mapped").rc != 0


@pytest.mark.parametrize("option, below", [("idmap", "0:0"), ("ridmap", "5000:5000")])
def test_the_mount_below(container, volume, option, below):
    (volume / "sub").mkdir()
    host.mount("sub", volume / "sub", "tmpfs", 0)
    (volume / "sub" / "f").touch()
    c = container()
    idmapped(c, "/idm", volume, ["rbind", option], first=5000)
    result = c.create(check=False)
    if result.rc != 0 and option == "ridmap" and "tmpfs" in result.err:
        pytest.skip("this kernel cannot idmap tmpfs")
    c.start()
    assert c.sh("stat -c '%u:%g' /idm/root /idm/sub/f").split() == ["5000:5000", below]


def test_the_mappings_of_a_joined_user_namespace(container, bundle, volume):
    first = container()
    first.bundle.map_ids(DISK)
    pid = first.up()
    b = bundle()
    b.map_ids(DISK).drop("linux.uidMappings").drop("linux.gidMappings").namespace("user", f"/proc/{pid}/ns/user")
    c = container(b)
    idmapped(c, "/idm", volume, ["bind", "idmap"])
    c.up()
    assert c.sh(OWNERS).split() == ["0:0", "1000:1000", "65534:65534", "user"]


def test_nothing_of_the_mapping_stays(container, volume):
    before = set(host.children())
    c = container()
    idmapped(c, "/idm", volume, ["bind", "idmap"], first=5000)
    pid = c.up()
    assert set(host.children()) - before <= {pid}
    fds = [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
    assert not [f for f in fds if f.startswith("user:")], fds


def test_plan_shows_the_mappings(runtime, bundle, volume):
    b = bundle()
    b.mount("/idm", volume, "none", ["bind", "idmap"])
    b.config["mounts"][-1].update(uidMappings=mapping(5000), gidMappings=mapping(6000))
    b.write()
    text = runtime.run("plan", b.path, check=True).out
    assert "uids    0 on disk is 5000 outside, 65536 ids" in text
    assert "gids    0 on disk is 6000 outside, 65536 ids" in text
    shown = runtime.run("plan", "--format", "json", b.path, check=True).json()["mounts"][-1]
    assert shown["uidMappings"] == mapping(5000) and shown["gidMappings"] == mapping(6000)


def test_features(runtime):
    shown = runtime.run("features", check=True).json()
    assert shown["linux"]["mountExtensions"]["idmap"]["enabled"] is True
    assert {"idmap", "ridmap"} <= set(shown["mountOptions"])


# --- refused -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("option", ["idmap", "ridmap"])
def test_without_any_mappings(container, volume, option):
    c = container()
    idmapped(c, "/idm", volume, ["bind", option])
    assert_refused(c, "mounts[", "needs mappings")


def test_overlapping_mappings(container, volume):
    c = container()
    idmapped(c, "/idm", volume, ["bind", "idmap"], first=5000)
    c.bundle.config["mounts"][-1]["uidMappings"].append({"containerID": 10, "hostID": 9, "size": 5})
    assert_refused(c, "uidMappings[1]", "overlaps")


def test_a_file_system_that_cannot_be_mapped(container):
    c = container()
    idmapped(c, "/idm", "/proc/sys", ["bind", "idmap"], first=5000)
    assert_refused(c, "/idm", "(proc)", "/proc/sys", "leave idmap")


def test_a_mapped_source_again(container, volume, tmp_path):
    """Mappings of one mount do not add up: the kernel refuses a source that is mapped already."""
    outer = container()
    idmapped(outer, "/idm", volume, ["bind", "idmap"], first=5000)
    pid = outer.up()
    c = container()
    idmapped(c, "/idm", f"/proc/{pid}/root/idm", ["bind", "idmap"], first=5000)
    assert_refused(c, "/idm")


@pytest.mark.parametrize("mount", [
    {"type": "tmpfs", "source": "tmpfs", "options": ["idmap"]}, {"options": ["remount", "idmap"]},
    {"source": "/etc", "options": ["bind", "idmap=uids=0-1-2;gids=0-1-2"]}], ids=["tmpfs", "remount", "inline"])
def test_what_it_is_not_for(container, mount):
    c = container()
    c.bundle.append("mounts", {"destination": "/tmp", **mount})
    if "bind" not in mount["options"]:
        c.bundle.config["mounts"][-1].update(uidMappings=mapping(5000), gidMappings=mapping(5000))
    assert_refused(c, "mounts[6]", "bind" if "bind" not in mount["options"] else "uidMappings")
