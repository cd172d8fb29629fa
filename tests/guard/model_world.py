"""The world of `tests.worlds` with models: one that may read little, one for most work, one for everything."""

from __future__ import annotations

from pathlib import Path

from tests.worlds import FILES, make_world

__all__ = ["MODELS", "PERMITS", "make_model_world"]

MODELS = """
[models."small"]
clearance = "public"

[models."gpt-5"]
names      = ["gpt-5-2025-08-07"]
provider   = "openai"
zones      = ["eu"]
region     = "eu-west"
clearance  = "internal"
hosted     = ["web_search", "code_interpreter"]

[models."in-house"]
zones      = ["cellar"]
clearance  = "restricted"
categories = ["pii"]
"""

PERMITS = """
@id("people-models")
permit (principal in Group::"support", action == Action::"model.call", resource);

@id("desk-models")
permit (principal in AgentClass::"desk", action == Action::"model.call", resource);
"""


def make_model_world(folder: Path, *, rules: str = PERMITS, models: str = MODELS, **replaced: str) -> Path:
    """Write the folder. `rules` are beside those of the world; `replaced` changes files as in `make_world`."""
    tools = replaced.pop("tools_desk_toml", FILES["tools/desk.toml"])
    policies = replaced.pop("policies_desk_cedar", FILES["policies/desk.cedar"])
    return make_world(folder, tools_desk_toml=tools + models, policies_desk_cedar=policies + rules, **replaced)
