"""YAML as JSON has it: data/yaml.toml."""

from __future__ import annotations

import builtins
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bailiwick.errors import MissingExtra, UsageError
from bailiwick.inventory.openapi import read_openapi
from bailiwick.inventory.propose import propose
from bailiwick.inventory.yaml_text import MAX_YAML, YamlError, read_yaml

DATA = Path(__file__).parent / "data"
CASES: list[dict[str, str]] = tomllib.loads((DATA / "yaml.toml").read_text())["case"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_text_is_what_json_has_of_it_or_refused(case: Mapping[str, str]) -> None:
    data = case["text"].encode()
    if "problem" in case:
        with pytest.raises(YamlError, match=case["problem"]):
            read_yaml(data)
    else:
        assert repr(read_yaml(data)) == repr(json.loads(case["json"]))  # 1, 1.0 and true are equal, and not the same


def test_texts_that_would_fill_the_memory_or_the_stack_are_refused_or_stay_small() -> None:
    for text in ("[" * 100_000, "- " * 100_000, "a: " + "[" * 200 + "]" * 200, "a: " + "x" * MAX_YAML):
        with pytest.raises(YamlError):
            read_yaml(text.encode())
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 200))]
    found = read_yaml("\n".join(lines).encode())
    assert found["a199"][0] is found["a198"]


@given(st.binary(max_size=60) | st.text(alphabet="&*!<>|?:-[]{},'\"#% \nab1", max_size=60).map(str.encode))
def test_anything_is_json_or_refused(data: bytes) -> None:
    try:
        found = read_yaml(data)
    except YamlError:
        return
    json.dumps(found, allow_nan=False)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-999, 999) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_json_in_ascii_is_the_same_in_yaml(value: Any) -> None:
    text = json.dumps(value)
    if "\\ud" not in text:  # YAML has no surrogates, in pairs either
        assert repr(read_yaml(text.encode())) == repr(value)


def test_a_description_in_yaml_comes_to_the_same_as_in_json(tmp_path: Path) -> None:
    text = (DATA / "petstore.json").read_text()
    (tmp_path / "api.json").write_text(text)
    (tmp_path / "api.yaml").write_text(as_yaml(json.loads(text)))
    both = [read_openapi(tmp_path / name) for name in ("api.json", "api.yaml")]
    assert both[0] == both[1]
    assert propose(*both[0]).text == propose(*both[1]).text


def as_yaml(value: Any, indent: str = "") -> str:
    if isinstance(value, dict) and value:
        return "".join(f"\n{indent}{json.dumps(key)}: {as_yaml(item, indent + '  ')}" for key, item in value.items())
    if isinstance(value, list) and value:
        return "".join(f"\n{indent}- {as_yaml(item, indent + '  ')}" for item in value)
    return json.dumps(value)


def test_a_description_that_is_no_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "api.YML").write_text("openapi: 3.1.0\npaths: {}\npaths: {}\n")
    with pytest.raises(UsageError, match="line 3"):
        read_openapi(tmp_path / "api.YML")


def test_without_its_parser_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "yaml":
            raise ImportError(name)
        return real(name, *rest, **named)

    (tmp_path / "api.yaml").write_text("paths: {}\n")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra) as caught:
        read_openapi(tmp_path / "api.yaml")
    assert caught.value.extra == "openapi"
