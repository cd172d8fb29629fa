"""Models in the catalog: what is wrong is said with its line, what is left out is the careful thing."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bailiwick.action.catalog import load_catalog
from bailiwick.errors import ProjectError
from bailiwick.model.tool import Catalog

LEVELS = ("public", "internal", "confidential", "restricted")
MODEL = """
[models."gpt-5"]
names      = ["gpt-5-2025-08-07"]
provider   = "openai"
zones      = ["eu"]
region     = "eu-west"
clearance  = "confidential"
categories = ["pii"]
hosted     = ["web_search"]
"""
TOOL = '[tools."page.read"]\neffects = ["read"]\nzones = ["pages"]\n'


def load(*texts: str) -> Catalog:
    files = [(f"tools/{number}.toml", text) for number, text in enumerate(texts)]
    return load_catalog(files, levels=LEVELS, categories=frozenset({"pii", "phi"}))


def test_a_model_is_read_as_it_is_written() -> None:
    catalog = load(TOOL, MODEL)
    model = catalog.model("gpt-5-2025-08-07", "openai")
    assert model is not None
    assert (model.name, model.provider, model.region) == ("gpt-5", "openai", "eu-west")
    assert (model.clearance, model.categories, model.zones) == (2, frozenset({"pii"}), ("eu",))
    assert model.hosted == ("web_search",)
    assert catalog.zones == {"eu", "pages"}


def test_what_is_left_out_is_the_careful_thing() -> None:
    model = load('[models."m"]\nclearance = "public"\n').models["m"]
    assert (model.clearance, model.categories, model.hosted, model.zones) == (0, frozenset(), (), ())


@pytest.mark.parametrize(
    ("text", "rule", "line", "hint"),
    [
        ('[models."m"]\n', "no-clearance", 1, "public, internal, confidential, restricted"),
        ('[models."m"]\nclearance = "confidental"\n', "unknown-level", 2, "did you mean 'confidential'?"),
        ('[models."m"]\nclearance = 2\n', "wrong-value", 2, ""),
        ('[models."m"]\nclearance = "public"\ncategories = ["pi"]\n', "unknown-category", 3, "did you mean 'pii'?"),
        ('[models."m"]\nclearance = "public"\nhoste = ["x"]\n', "unknown-key", 3, "did you mean 'hosted'?"),
        ('[models."m"]\nclearance = "public"\nhosted = "x"\n', "wrong-value", 3, 'write hosted = ["…"]'),
        ('[models."m"]\nclearance = "public"\nregion = 1\n', "wrong-value", 3, ""),
        ('[models."m"]\nclearance = "public"\nzones = [""]\n', "wrong-value", 3, 'write zones = ["…"]'),
        ('[models."m"]\nclearance = "public"\nnames = ["m"]\n', "duplicate-model", 3, "it is also in tools/0.toml:1"),
        ('[models." m"]\nclearance = "public"\n', "bad-model-name", 1, ""),
        (f'[models."{"m" * 201}"]\nclearance = "public"\n', "bad-model-name", 1, ""),
        ('[models.gpt-4.1]\nclearance = "public"\n', "bad-model-name", 1, '[models."gpt-4.1"]'),
        ("models = 1\n", "wrong-value", 1, ""),
        ("[models]\nm = 1\n", "wrong-value", 2, ""),
        ('[model."m"]\nclearance = "public"\n', "unknown-key", 1, "did you mean 'models'?"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, rule: str, line: int, hint: str) -> None:
    with pytest.raises(ProjectError) as error:
        load(text)
    found = [finding for finding in error.value.findings if finding.rule == rule]
    assert [finding.where.line for finding in found] == [line], error.value.findings
    assert hint in found[0].hint


def test_a_name_stands_for_one_model_in_all_files() -> None:
    with pytest.raises(ProjectError) as error:
        load(MODEL, '[models."other"]\nnames = ["gpt-5"]\nclearance = "public"\n')
    (finding,) = error.value.findings
    assert finding.rule == "duplicate-model"
    assert "tools/0.toml:2" in finding.hint


@pytest.mark.parametrize(
    ("name", "provider", "found"),
    [
        ("gpt-5", "", "gpt-5"),
        ("gpt-5", "openai", "gpt-5"),
        ("gpt-5", "OPENAI", "gpt-5"),
        ("gpt-5", "azure", "azure/gpt-5"),
        ("azure/gpt-5", "", "azure/gpt-5"),
        ("gpt-5", "somebody", None),
        ("local", "anybody", "local"),
        ("gpt", "", None),
        ("", "", None),
    ],
)
def test_one_model_of_two_providers_is_two_entries(name: str, provider: str, found: str | None) -> None:
    azure = '[models."azure/gpt-5"]\nprovider = "azure"\nclearance = "public"\n'
    catalog = load(azure, MODEL, '[models."local"]\nclearance = "public"\n')
    spec = catalog.model(name, provider)
    assert (spec.name if spec else None) == found


CHANGES: Mapping[str, tuple[str, str]] = {
    "name": ('"gpt-5"]', '"gpt-6"]'),
    "names": ("2025-08-07", "2025-08-08"),
    "provider": ('"openai"', '"azure"'),
    "zones": ('["eu"]', '["us"]'),
    "region": ("eu-west", "eu-east"),
    "clearance": ('"confidential"', '"restricted"'),
    "categories": ('["pii"]', '["phi"]'),
    "hosted": ('["web_search"]', "[]"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_digest_covers_all_of_an_entry_but_its_place(what: str) -> None:
    same = load("\n" + TOOL, "# moved\n\n" + MODEL)
    assert same.digest == load(TOOL, MODEL).digest
    changed = MODEL.replace(*CHANGES[what])
    assert changed != MODEL
    assert load(TOOL, changed).digest != same.digest
    assert load(TOOL).digest != same.digest
