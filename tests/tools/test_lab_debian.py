# SPDX-License-Identifier: Apache-2.0
"""tools/lab --suite: the suite of Debian that a machine is made of."""
import pytest

from test_lab_shell import main


@pytest.mark.parametrize("words", [["build"], ["list"], ["run", "docker"], ["exec"], ["shell"]], ids=lambda words: words[0])
def test_every_verb_takes_it(words):
    assert main.parse(words).debian == "trixie"
    assert main.parse([*words, "--suite", "sid"]).debian == "sid"


def test_a_suite_without_a_recipe_is_refused(capsys):
    with pytest.raises(SystemExit):
        main.parse(["build", "--suite", "potato"])
    assert "potato" in capsys.readouterr().err


def test_each_has_its_own_place_in_the_cache_and_the_same_qemu():
    labs = [main.image.Lab(debian) for debian in main.recipe.RELEASES]
    assert len({lab.guest for lab in labs}) == len(labs)
    assert len({lab.host for lab in labs}) == 1
