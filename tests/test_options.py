"""Options: said once, and the same on the command line, in endpoints, in links and in the documents."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from unlearn.app.asked import DrawRequest, ErasureRequest, FineTuneRequest
from unlearn.cli.arguments import add_options
from unlearn.erasers.settings import PRESETS, BaselineSettings, CCUPSettings, CLIPEraseSettings
from unlearn.errors import ParameterError
from unlearn.options import check_options, option, options_of, options_table, same_option, shared_options

SETTINGS_PAGE = (Path(__file__).parents[1] / "docs" / "settings.md").read_text(encoding="utf-8")
REQUESTS = (ErasureRequest, FineTuneRequest, DrawRequest)


@dataclass(frozen=True)
class Tea:
    """A dataclass of options, of every kind."""

    kind: str = option("green", "Kind", "leaves", choices={"green": "Green tea", "black": "Black tea"})
    minutes: float | None = option(None, "Minutes", "time to steep", largest=10, above_zero=True)
    cups: int = option(1, "Cups", "cups to pour", lowest=1, largest=4, step=1)
    sugar: float = option(0.5, "Sugar", "share of a spoon", largest=1)
    milk: bool = option(True, "With milk", "pour milk in", only={"kind": ("black",)})
    note: str = option("", "Note", "wishes, in any words")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "white"}, "kind is 'white'; choose one of green, black"),
        ({"minutes": 0}, "minutes is 0; it must be a number above 0 and up to 10"),
        ({"minutes": float("nan")}, "minutes is nan"),
        ({"cups": 5}, "cups is 5; it must be a whole number from 1 to 4"),
        ({"cups": None}, "cups is None"),
        ({"note": 5}, "note is 5; it must be a text"),
        ({"sugar": 2.0}, "sugar is 2.0; it must be a number from 0 to 1"),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_by_its_name(given, said):
    with pytest.raises(ParameterError, match=said):
        check_options(Tea(**given))
    check_options(Tea())


def test_what_is_left_open_stays_out_of_what_is_shared():
    assert "minutes" not in shared_options(Tea, Tea())
    assert shared_options(Tea, Tea(minutes=3.0))["minutes"] == 3.0


def test_an_option_is_borrowed_whole_but_for_what_is_changed():
    @dataclass(frozen=True)
    class Order:
        cups: int | None = same_option(Tea, "cups", default=None)

    own, known = options_of(Order)["cups"], options_of(Tea)["cups"]
    assert (own.default, own.label, own.largest, own.kind) == (None, known.label, known.largest, int)


def test_flags_follow_from_the_options(capsys):
    parser = argparse.ArgumentParser()
    add_options(parser, Tea)
    given = parser.parse_args(["--kind", "black", "--minutes", "2.5", "--no-milk"])
    assert vars(given) == {"kind": "black", "minutes": 2.5, "cups": None, "sugar": None, "milk": False, "note": None}
    with pytest.raises(SystemExit):
        parser.parse_args(["--kind", "white"])
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    assert "cups to pour, 1 to 4 (default: 1)" in capsys.readouterr().out


def test_the_table_has_a_row_for_each():
    rows = options_table(Tea).splitlines()[2:]
    assert rows[0] == "| `--kind` | `green` | `green`, `black` | leaves |"
    assert rows[1] == "| `--minutes` | automatic | above 0 to 10 | time to steep |"
    assert rows[4] == "| `--no-milk` | `True` | – | pour milk in |"


def test_an_option_without_effect_beside_others_is_known():
    milk = options_of(Tea)["milk"]
    assert not milk.has_effect({"kind": "green"})
    assert milk.has_effect({"kind": "black"})
    assert milk.has_effect({})


@pytest.mark.parametrize("owner", [CCUPSettings, CLIPEraseSettings, BaselineSettings, *REQUESTS])
def test_every_option_is_described_and_its_default_is_allowed(owner):
    known = options_of(owner)
    assert set(known) >= {entry.name for entry in fields(owner)} - {"kind"}
    for one in known.values():
        assert one.label
        assert len(one.help) > 3
        assert not one.help.endswith(".")
        one.check(one.default)
        assert set(one.only) <= set(known)


@pytest.mark.parametrize(
    ("request_type", "owner"), [(ErasureRequest, CCUPSettings), (FineTuneRequest, CLIPEraseSettings)]
)
def test_a_request_says_of_a_setting_what_the_setting_says(request_type, owner):
    asked, settings = options_of(request_type), options_of(owner)
    for name in set(asked) & set(settings):
        assert (asked[name].label, asked[name].help, asked[name].choices) == (
            settings[name].label,
            settings[name].help,
            settings[name].choices,
        )


def test_a_request_to_ccup_has_all_of_its_settings():
    assert set(options_of(CCUPSettings)) < set(options_of(ErasureRequest))


def test_there_is_a_preset_for_everything_that_can_train():
    assert set(PRESETS) == set(options_of(CLIPEraseSettings)["trainable"].choices)


@pytest.mark.parametrize("owner", [CCUPSettings, CLIPEraseSettings])
def test_the_documents_have_the_table_of_every_method(owner):
    table = options_table(owner)
    assert table in SETTINGS_PAGE, f"The table in docs/settings.md should be:\n\n{table}\n"


def test_what_the_presets_choose_is_said_to_depend_on_what_trains():
    depends = {name for name, known in options_of(CLIPEraseSettings).items() if known.depends_on == "trainable"}
    assert all(set(preset) == depends for preset in PRESETS.values())
