# SPDX-License-Identifier: Apache-2.0
"""The change of one engine's configuration, and its undoing. What another wrote into the file stays as it is."""
import copy
import json
import os
import re
import subprocess
import tempfile
import tomllib

from engines import snippet_of

BACKUP = ".before-wherry"
BEGIN, END = "# --- wherry, by engine-setup: begin", "# --- wherry: end"
OURS = "# Written by engine-setup of wherry; `engine-setup {} --undo` removes it."


class Refused(Exception):
    """The change cannot be made; nothing was changed."""


def target(engine, options):
    """The file that is changed, or what else."""
    if engine.user_file and os.geteuid() != 0:
        home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        return options.prefix + os.path.join(home, engine.user_file)
    return options.prefix + engine.file if engine.file else "the cluster"


def apply(engine, options):
    """Makes the change; returns what was done, a line each, nothing when it was there already."""
    return KINDS[engine.kind][0](engine, options)


def undo(engine, options):
    """Takes the change back; returns what was done, a line each."""
    return KINDS[engine.kind][1](engine, options)


# --- files -----------------------------------------------------------------------------------------------------

def read(path):
    """The text of a file, or None when there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write(path, text, like=None):
    """Replaces a file as a whole, so that its engine sees the old or the new one; mode and owner are those of the
    file like, if it is there."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    real = os.path.realpath(path)
    fd, temporary = tempfile.mkstemp(prefix=".wherry-", dir=os.path.dirname(real))
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        mode, owner = 0o644, None
        if like and os.path.exists(like):
            before = os.stat(like)
            mode, owner = before.st_mode & 0o7777, (before.st_uid, before.st_gid)
        os.fchmod(file.fileno(), mode)
        if owner and os.geteuid() == 0:
            os.fchown(file.fileno(), *owner)
    os.replace(temporary, real)


def store(path, before, after, ours):
    """Writes the changed text. Unless before is ours already, it is kept beside the file."""
    done = []
    if before is None and os.path.exists(path + BACKUP):
        os.unlink(path + BACKUP)  # of a file that has gone since
    if before is not None and not ours:
        write(path + BACKUP, before, like=path)
        done.append(f"{path + BACKUP}: the file as it was")
    write(path, after, like=path)
    return done + [f"{path}: {'changed' if before is not None else 'made'}"]


def restore(path, text, same):
    """Writes the text without our change. same(text, backup): whether that is what the backup holds, which then
    is put back to the letter; a file that is empty now and was not there before goes."""
    backup = read(path + BACKUP)
    if backup is not None and same(text, backup):
        os.replace(path + BACKUP, os.path.realpath(path))
        return [f"{path}: as it was"]
    if backup is None and same(text, ""):
        os.unlink(path)
        return [f"{path}: removed"]
    write(path, text, like=path)
    return [f"{path}: our part removed" + (f"; it has changed since, {path + BACKUP} stays" if backup is not None else "")]


# --- a JSON document that is merged with the snippet -----------------------------------------------------------

def parse_json(path, text):
    try:
        document = json.loads(text) if text and text.strip() else {}
    except json.JSONDecodeError as error:
        raise Refused(f"{path}:{error.lineno}:{error.colno}: this is no JSON: {error.msg}; correct it first") from error
    if not isinstance(document, dict):
        raise Refused(f"{path}: holds no JSON object; correct it first")
    return document


def merged(into, snippet):
    """A copy of into with the snippet's members; objects are merged, what else is there is replaced."""
    result = copy.deepcopy(into)
    for key, value in snippet.items():
        inner = result.get(key)
        result[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return result


def dump_json(document, like):
    """With the indentation of the text like."""
    found = re.search(r"^([ \t]+)\"", like or "", re.M)
    return json.dumps(document, indent=found.group(1) if found else 4, ensure_ascii=False) + "\n"


def apply_json(engine, options):
    path = target(engine, options)
    before = read(path)
    document = parse_json(path, before)
    if not isinstance(document.get("runtimes", {}), dict):
        raise Refused(f"{path}: \"runtimes\" is no object; correct it first")
    # an entry of that name counts as ours: it is replaced, not mixed with
    ours = document.get("runtimes", {}).pop("wherry", None)
    after = merged(document, json.loads(snippet_of(engine, options)))
    if before is not None and after == parse_json(path, before):
        return []
    return store(path, before, dump_json(after, before), ours)


def undo_json(engine, options):
    path = target(engine, options)
    text = read(path)
    document = parse_json(path, text)
    if "wherry" not in document.get("runtimes", {}) and document.get("default-runtime") != "wherry":
        return []
    old = parse_json(path + BACKUP, read(path + BACKUP))
    document.get("runtimes", {}).pop("wherry", None)
    if document.get("runtimes") == {} and "runtimes" not in old:
        del document["runtimes"]
    if document.get("default-runtime") == "wherry":
        del document["default-runtime"]
        if "default-runtime" in old:
            document["default-runtime"] = old["default-runtime"]
    return restore(path, dump_json(document, text), lambda a, b: parse_json(path, a) == parse_json(path, b))


# --- a TOML document that gets the snippet as a block ------------------------------------------------------------

def without_block(text):
    """The text without our block and the blank line before it."""
    return re.sub(rf"\n?^{re.escape(BEGIN)}$.*?^{re.escape(END)}$\n?", "", text or "", flags=re.M | re.S)


def parse_toml(path, text):
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{path}: this is no TOML: {error}; correct it first") from error


def version_of(path, document):
    version = document.get("version", 1)
    if version not in (2, 3):
        raise Refused(f"{path}: it is of version {version}; `containerd config migrate` prints it as a newer one")
    return str(version)


def apply_block(engine, options):
    path = target(engine, options)
    before = read(path)
    rest = without_block(before)
    if rest.strip():
        version = version_of(path, parse_toml(path, rest))
        snippet = snippet_of(engine, options, version)
        after = rest + ("" if rest.endswith("\n") else "\n") + f"\n{BEGIN}\n{snippet}{END}\n"
    else:
        snippet = snippet_of(engine, options)
        version = 3 if "cri.v1.runtime" in snippet else 2
        after = f"{BEGIN}\nversion = {version}\n{snippet}{END}\n"
        snippet = f"version = {version}\n{snippet}"
    if after == before:
        return []
    require_merge(path, rest, snippet, after)
    return store(path, before, after, rest != before)


def require_merge(path, rest, snippet, after):
    """A table may be named once in TOML: what is appended must mean the file's and ours together."""
    try:
        got = tomllib.loads(after)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{path}: it has a runtime wherry, or is written with inline tables, so that ours cannot be appended "
                      f"({error}); take that out, or put this where it belongs:\n\n{snippet}") from error
    if got != merged(tomllib.loads(rest), tomllib.loads(snippet)):
        raise Refused(f"{path}: appended to it, this would mean something else; put it where it belongs:\n\n{snippet}")


def undo_block(engine, options):
    path = target(engine, options)
    text = read(path)
    if text is None or BEGIN not in text:
        return []
    return restore(path, without_block(text), lambda a, b: a.rstrip("\n") == b.rstrip("\n"))


# --- a file of our own -------------------------------------------------------------------------------------------

def header(engine):
    return OURS.format(engine.name) + "\n"


def apply_file(engine, options):
    path = target(engine, options)
    before = read(path)
    after = header(engine) + snippet_of(engine, options)
    if before == after:
        return []
    if before is not None and not before.startswith(header(engine)):
        raise Refused(f"{path}: is there and not ours; move it away first")
    write(path, after)
    return [f"{path}: {'changed' if before is not None else 'made'}"]


def undo_file(engine, options):
    path = target(engine, options)
    before = read(path)
    if before is None:
        return []
    if not before.startswith(header(engine)):
        raise Refused(f"{path}: is not ours; it stays")
    os.unlink(path)
    return [f"{path}: removed"]


# --- an object of the cluster --------------------------------------------------------------------------------------

def kubectl(*args, text=None):
    try:
        done = subprocess.run(["kubectl", *args], input=text, capture_output=True, text=True, timeout=120)
    except FileNotFoundError as error:
        raise Refused("kubectl is missing: install it, and point it at the cluster") from error
    if done.returncode != 0:
        raise Refused(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout.strip().splitlines()


def apply_cluster(engine, options):
    return [line for line in kubectl("apply", "-f", "-", text=snippet_of(engine, options)) if "unchanged" not in line]


def undo_cluster(engine, options):
    return kubectl("delete", "--ignore-not-found", "-f", "-", text=snippet_of(engine, options))


KINDS = {
    "json": (apply_json, undo_json),
    "block": (apply_block, undo_block),
    "file": (apply_file, undo_file),
    "cluster": (apply_cluster, undo_cluster),
}
