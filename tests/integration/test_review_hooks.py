"""What a failing create or start still owes: poststop hooks (runtime.md#lifecycle, step 12); and exec's keyring."""
import os

import pytest
from rig import lacks

pytestmark = pytest.mark.usefixtures("host_unchanged")


@pytest.fixture
def hooked(bundle, tmp_path):
    b = bundle().args("sleep", "1000")
    b.ran = tmp_path / "poststop"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"cat > {b.ran}.state; echo ran >> {b.ran}"]}
    return b.set("hooks", {"poststop": [hook]})


@pytest.mark.parametrize("verb", ["create", "run"])
@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer"])
def test_poststop_after_a_hook_that_fails_create(container, hooked, kind, verb):
    c = container(hooked.append(f"hooks.{kind}", {"path": "/bin/false"}))
    result = getattr(c, verb)(check=False)
    assert result.rc != 0 and c.state() is None
    assert hooked.ran.read_text() == "ran\n", result
    state = (hooked.ran.parent / "poststop.state").read_text()
    assert '"stopped"' in state and c.id in state


def test_poststop_after_a_poststart_hook_that_fails_run(container, hooked):
    c = container(hooked.append("hooks.poststart", {"path": "/bin/false"}))
    assert c.run().rc != 0 and c.state() is None
    assert hooked.ran.read_text() == "ran\n"


def test_poststop_after_a_missing_program(container, hooked):
    c = container(hooked.args("/bin/none"))
    assert c.create(check=False).rc != 0 and c.state() is None
    assert hooked.ran.read_text() == "ran\n"


def test_no_poststop_for_a_container_that_is_another_one(container, hooked, bundle):
    """The second create fails before it has made anything."""
    c = container(bundle())
    c.create()
    assert container(hooked, c.id).create(check=False).rc != 0
    assert not hooked.ran.exists() and c.status == "created"


@lacks("runc", "makes a new keyring for each exec in a user namespace")
@pytest.mark.parametrize("user_namespace", [False, True], ids=["host", "user-namespace"])
def test_exec_has_the_session_keyring_of_the_container(container, bundle, helper, user_namespace):
    if not os.path.exists("/proc/keys"):
        pytest.skip("the kernel has no keyrings")
    b = bundle()
    program = b.install(helper("keyring"))
    if user_namespace:
        b.map_ids()
    b.sh(f"{program}; exec sleep 1000")
    c = container(b)
    c.up()
    own = c.wait_stdout("\n").strip()
    assert c.exec(program, check=True).out.strip() == own
