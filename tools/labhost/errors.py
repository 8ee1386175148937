# SPDX-License-Identifier: Apache-2.0
"""What ends a call of tools/lab: a message for a person; and, apart from it, what this machine cannot do."""


class LabError(Exception):
    """Something failed. The text says what, and where to look."""


class CannotRun(LabError):
    """This machine lacks what the lab needs: for a test run that is a skip with this cause, no failure."""
