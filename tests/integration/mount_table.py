"""The mount table of a container, read from inside."""


class Row:
    """One line of mountinfo (proc_pid_mountinfo(5))."""

    def __init__(self, line):
        left, right = line.split(" - ", 1)
        self.line = line
        left = left.split()
        self.root, self.point = left[3], left[4].encode().decode("unicode_escape")
        self.options = set(left[5].split(","))
        self.optional = {field.split(":")[0] for field in left[6:]}
        self.fstype, self.source, data = right.split(" ", 2)
        self.super_options = set(data.split(","))

    def __repr__(self):
        return self.line


def rows(text):
    return [Row(line) for line in text.splitlines() if " - " in line]


def row_of(text, point):
    """The mount that is on top at a mount point, or None."""
    found = [row for row in rows(text) if row.point == point]
    return found[-1] if found else None


def inside(c, point):
    """The mount at a mount point of a running container."""
    return row_of(c.sh("cat /proc/self/mountinfo"), point)


def run_and_read(c, point):
    """Run a container whose only deed is to show its mounts; returns the one at a mount point."""
    c.bundle.args("cat", "/proc/self/mountinfo")
    return row_of(c.run(check=True).out, point)
