"""The model provider as a sink: a call of a model as the action that rules decide on, and what is refused before them.

INVARIANT: whatever the rules say, nothing that a session has seen goes to a model whose entry is not cleared for it. A
model reads all that it is shown and may repeat any of it, so it is judged by the session's high-water mark, never by
evidence. DESIGN §5 *Flow*.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from bailiwick.errors import Where
from bailiwick.flow.ledger import Ledger
from bailiwick.guard.planes import Planes
from bailiwick.identity.authority import check_authority
from bailiwick.model.call import Action, ArgFacts, Authority, Resource
from bailiwick.model.canonical import canonical
from bailiwick.model.decision import Plane, Reason
from bailiwick.model.label import Label
from bailiwick.model.models import ModelSpec
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.principal import EntityKind, EntityRef
from bailiwick.model.tool import MODEL_TOOL, Durability, Idempotency, OutputSpec, Role, ToolSpec

__all__ = ["check_clearance", "digest_of", "model_action", "refused_to_model", "supposed_model_call", "unknown_model"]

_ARGS = frozenset({"model", "provider", "hosted"})
_SPEC = ToolSpec(
    name=MODEL_TOOL,
    names=(),
    # In no effect group: rules over what tools do to the world are not about what a model reads.
    effects=frozenset(),
    resources=("models/{model}",),
    args={},
    output=OutputSpec(untrusted=()),
    idempotency=Idempotency.SAFE,
    durability=Durability.SYNC,
    description="Let a model read what the session shows it.",
    where=Where(file="(built in)"),
)


def model_action(model: ModelSpec, *, provider: str = "", hosted: Iterable[str] = (), inputs: str = "") -> Action:
    """A call of `model` as an action. `hosted` are the tools of its provider that it is offered, `inputs` says which
    texts it reads (`digest_of`). INVARIANT: all of that is in here, because an approval binds to it."""
    offered = tuple(sorted(set(hosted)))
    told = {"name": model.name, "provider": model.provider or provider, "region": model.region}
    args = {"model": model.name, "provider": told["provider"], "region": model.region, "hosted": list(offered)}
    return Action(
        tool=_SPEC,
        args=canonical({**args, **({"inputs": inputs} if inputs else {})}),
        arguments=(
            ArgFacts(name="model", role=Role.QUERY, facts=model.name),
            ArgFacts(name="hosted", role=Role.QUERY, facts=offered),
        ),
        resources=(Resource(ref=EntityRef(kind=EntityKind.RESOURCE, id=model.resource), zones=model.zones),),
        interfaces={"model": {**told, "hosted": offered}},
    )


def supposed_model_call(planes: Planes, args: Mapping[str, object]) -> Action | Reason:
    """The action that `model.call` with these arguments would be, whatever the model were to read: to explain and to
    test. Or why there is none."""
    model, provider, hosted = args.get("model"), args.get("provider", ""), args.get("hosted", ())
    names = list(hosted) if isinstance(hosted, list | tuple) else [None]
    fit = isinstance(model, str) and all(isinstance(name, str) for name in names) and args.keys() <= _ARGS
    if not fit or not isinstance(provider, str):
        return _reason(
            "model-arguments",
            "A model call is told by its model, its provider and the tools that the provider runs.",
            'Write {"model": "…"}, and "provider": "…" or "hosted": ["…"] beside it.',
        )
    if not planes.catalog.models:
        return _reason(
            "no-models",
            "The catalog declares no models, so calls of them are recorded and not decided.",
            'Declare them in tools/*.toml: [models."…"] with a clearance.',
        )
    spec = planes.catalog.model(str(model), provider)
    if spec is None:
        return unknown_model(planes, str(model), provider)
    return model_action(spec, provider=provider, hosted=map(str, names))


def digest_of(texts: Sequence[str]) -> str:
    """What a model is to read, as an approval binds to it."""
    whole = hashlib.sha256(b"bailiwick.model-inputs.v1\x00")
    for text in texts:
        whole.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return f"sha256:{whole.hexdigest()}"


def refused_to_model(
    planes: Planes, authority: Authority, ledger: Ledger, action: Action, now_us: int
) -> Reason | None:
    """Why a session may not call the model of `action`, before any rule is asked; None if it may. With the session's
    lock held."""
    name, offered = (argument.facts for argument in action.arguments)
    model = planes.catalog.models.get(str(name))
    if model is None:
        return unknown_model(planes, str(name), "")
    assert isinstance(offered, tuple)
    if unlisted := [tool for tool in offered if tool not in model.hosted]:
        return _reason(
            "hosted-not-listed",
            f"{model.name} may not be offered {unlisted[0]}, which its provider would run.",
            f"Its entry lists: {', '.join(model.hosted) or 'none'}.",
        )
    return check_authority(
        planes.directory,
        authority,
        tool=MODEL_TOOL,
        effects=(),
        zones=(model.zones,),
        now_ms=now_us // 1000,
    ) or check_clearance(planes, ledger.label, model)


def check_clearance(planes: Planes, label: Label, model: ModelSpec) -> Reason | None:
    """Why a session that has seen content of `label` may not show it to `model`; None if it may."""
    lacking = _lacking(planes, label, model)
    if not lacking:
        return None
    fit = sorted(other.name for other in planes.catalog.models.values() if not _lacking(planes, label, other))
    instead = f"Cleared for it: {', '.join(fit)}; or work" if fit else "No model of the catalog is cleared for it: work"
    return _reason(
        "model-clearance",
        f"Model {model.name} may read {_read_by(planes, model)}, and this session has seen {lacking}.",
        f"{instead} in a session that has not seen it.",
    )


def unknown_model(planes: Planes, name: str, provider: str) -> Reason:
    """The catalog declares models, and this is none of them."""
    models = planes.catalog.models
    known = [each for model in models.values() for each in (model.name, *model.names)]
    elsewhere = planes.catalog.model(name)
    hint = did_you_mean(name, known, "declare it in tools/*.toml")
    if elsewhere is not None:
        hint = f'{elsewhere.name} is declared for {elsewhere.provider}: declare "{provider}/{name}" beside it'
    of = f" of {provider:.200}" if provider else ""
    return _reason(
        "unknown-model",
        f"The catalog has no model '{name:.200}'{of}, so nobody knows what it may read.",
        f"{hint[:1].upper()}{hint[1:]}",
    )


def _lacking(planes: Planes, label: Label, model: ModelSpec) -> str:
    """What `label` has that the model may not read; empty if nothing."""
    if label.sensitivity > model.clearance:
        return f"{_level(planes, label.sensitivity)} content"
    beyond = sorted(_strict(planes, label.categories) - model.categories)
    return f"content of a strict category: {', '.join(beyond)}" if beyond else ""


def _strict(planes: Planes, categories: frozenset[str]) -> frozenset[str]:
    """Those of `categories` that count for every later call, whatever evidence says."""
    strictness = planes.settings.strictness
    return categories if strictness.level == 0 else categories & strictness.categories


def _read_by(planes: Planes, model: ModelSpec) -> str:
    named = f" and the strict categories {', '.join(sorted(model.categories))}" if model.categories else ""
    return f"content up to {_level(planes, model.clearance)}{named}"


def _level(planes: Planes, index: int) -> str:
    levels = planes.settings.levels
    return levels[index] if index < len(levels) else str(index)


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.FLOW, code=code, message=message, hint=hint)
