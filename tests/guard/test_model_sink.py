"""The provider of a model is a sink: nothing that a session has seen goes to a model that may not read it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from bailiwick import ApprovalPending, Denied, Guard, Session, UsageError
from bailiwick.errors import LogUnavailable, StoreError
from bailiwick.guard.explaining.preview import Preview, judged
from bailiwick.guard.model_calls import ModelCall
from bailiwick.guard.opening import OpenRequest
from bailiwick.model.call import Call
from bailiwick.model.decision import Decision, Outcome
from bailiwick.model.event import Draft, Event, EventKind, Receipt
from bailiwick.model.label import Integrity
from bailiwick.model.tool import MODEL_TOOL, Durability
from tests.guard.model_world import MODELS, PERMITS, make_model_world
from tests.worlds import FILES, Clock, Tool, abandon, approve, asked, decisions, edit, events, kinds, opened, with_ports


class Provider:
    """What would go over the network: every text that a model was sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def ask(
        self,
        session: Session,
        model: str,
        texts: Sequence[str],
        *,
        provider: str = "",
        hosted: Sequence[str] = (),
        use_async: bool = False,
    ) -> ModelCall:
        call = session.model_call(model, inputs=texts, provider=provider, tools=["page.read"], hosted=hosted)
        if use_async:
            asyncio.run(self._aask(call, texts))
            return call
        with call:
            self.sent += texts
            call.output(f"answer {len(self.sent)}")
        return call

    async def _aask(self, call: ModelCall, texts: Sequence[str]) -> None:
        async with call:
            self.sent += texts
            await call.aoutput(f"answer {len(self.sent)}")


def refusal(error: pytest.ExceptionInfo[Denied]) -> str:
    decision = error.value.decision
    assert decision is not None
    return decision.reasons[0].code


def model_calls(folder: Path) -> list[Event]:
    return [event for event in events(folder) if event.kind is EventKind.MODEL_CALLED]


def first_call(
    folder: Path, model: str, *, hosted: Sequence[str] = (), provider: str = "", user: str = "alice"
) -> Decision:
    """What a first model call would be decided as, by nobody but the rules."""
    with Guard.open(folder) as guard:
        request = OpenRequest(user=user, service=None, agent="desk-bot", task="Work", conversation="explain")
        call = Call(tool=MODEL_TOOL, args={"model": model, "hosted": list(hosted), "provider": provider})
        return judged(
            guard.engine.ports.holding.now(), Preview(request=request, call=call), 1_700_000_000_000_000
        ).decision


# ── clearance ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("use_async", [False, True])
@pytest.mark.parametrize(
    ("tool", "model", "code"),
    [
        ("", "small", ""),
        ("page.read", "small", "model-clearance"),
        ("page.read", "gpt-5", ""),
        ("fact.read", "gpt-5", "model-clearance"),
        ("fact.read", "in-house", ""),
    ],
)
def test_a_model_reads_what_it_is_cleared_for_and_no_more(
    tmp_path: Path, tool: str, model: str, code: str, use_async: bool
) -> None:
    folder, provider = make_model_world(tmp_path), Provider()
    with opened(folder) as session:
        session.prompt("Read 1")
        texts = ["Read 1"]
        if tool:
            texts.append(session.call(tool, {"id": "1"}, run=Tool("a secret").run))
        if code:
            with pytest.raises(Denied) as error:
                provider.ask(session, model, texts, use_async=use_async)
            assert refusal(error) == code
        else:
            provider.ask(session, model, texts, use_async=use_async)
    assert provider.sent == ([] if code else texts)
    assert len(model_calls(folder)) == (0 if code else 1)


def test_a_label_that_rose_between_two_calls_denies_the_second(tmp_path: Path) -> None:
    folder, provider = make_model_world(tmp_path), Provider()
    with opened(folder) as session:
        session.prompt("Look at fact 1")
        provider.ask(session, "gpt-5", ["Look at fact 1"])
        session.call("fact.read", {"id": "1"}, run=Tool("rarely told").run)
        with pytest.raises(Denied) as error:
            provider.ask(session, "gpt-5", ["Look at fact 1"])
        assert refusal(error) == "model-clearance"
        provider.ask(session, "in-house", ["Look at fact 1", "rarely told"])
    assert provider.sent == ["Look at fact 1", "Look at fact 1", "rarely told"]
    assert "may read content up to internal, and this session has seen confidential content" in str(error.value)
    assert "Cleared for it: in-house; or work in a session that has not seen it." in str(error.value)


def test_what_nobody_vouches_for_is_taken_in_before_the_decision(tmp_path: Path) -> None:
    folder, provider = make_model_world(tmp_path), Provider()
    with opened(folder) as session:
        session.prompt("Hello")
        with pytest.raises(Denied) as error:
            provider.ask(session, "gpt-5", ["Hello", "from nowhere"])
        assert refusal(error) == "model-clearance"
        assert session.label.integrity is Integrity.UNTRUSTED
        provider.ask(session, "in-house", ["Hello", "from nowhere"])
    assert provider.sent == ["Hello", "from nowhere"]


STRICT = FILES["bailiwick.toml"].replace('strict = ["public"]', 'strict = ["pii"]\ncategories = ["pii", "hr"]')


@pytest.mark.parametrize(
    ("settings", "categories", "code"),
    [
        (STRICT, [], "model-clearance"),
        (STRICT, ["hr"], "model-clearance"),
        (STRICT, ["pii"], ""),
        (STRICT.replace('strict = ["pii"]', 'strict = ["hr"]'), [], ""),
        # Where everything is strict, so is every category.
        (FILES["bailiwick.toml"], [], "model-clearance"),
    ],
)
def test_a_strict_category_is_read_only_by_a_model_that_names_it(
    tmp_path: Path, settings: str, categories: list[str], code: str
) -> None:
    models = f'\n[models."m"]\nclearance = "restricted"\ncategories = {categories!r}\n'
    if settings is FILES["bailiwick.toml"]:
        models = models.replace("categories = []\n", "")
    folder, provider = make_model_world(tmp_path, models=models, bailiwick_toml=settings), Provider()
    with opened(folder) as session:
        session.call("fact.read", {"id": "1"}, run=Tool("ann@customer.example").run)
        if code:
            with pytest.raises(Denied) as error:
                provider.ask(session, "m", ["ann@customer.example"])
            assert refusal(error) == code
            assert "a strict category: pii" in str(error.value)
        else:
            provider.ask(session, "m", ["ann@customer.example"])
    assert bool(provider.sent) is not bool(code)


def test_a_restored_session_has_its_labels_and_is_denied(tmp_path: Path) -> None:
    folder, provider = make_model_world(tmp_path), Provider()
    with opened(folder) as session:
        session.prompt("Read")
        session.call("fact.read", {"id": "1"}, run=Tool("rarely told").run)
    with opened(folder) as session:
        with pytest.raises(Denied) as error:
            provider.ask(session, "gpt-5", ["Read"])
        assert refusal(error) == "model-clearance"
        provider.ask(session, "in-house", ["Read", "rarely told"])
    assert provider.sent == ["Read", "rarely told"]


def test_observing_the_rules_relaxes_no_clearance(tmp_path: Path) -> None:
    settings = FILES["bailiwick.toml"] + '\n[policies]\nmode = "observe"\n'
    folder, provider = make_model_world(tmp_path, rules="", bailiwick_toml=settings), Provider()
    with opened(folder) as session:
        session.prompt("Hello")
        provider.ask(session, "gpt-5", ["Hello"])
        with pytest.raises(Denied) as error:
            provider.ask(session, "unheard-of", ["Hello"])
        assert refusal(error) == "unknown-model"
        session.call("fact.read", {"id": "1"}, run=Tool("rarely told").run)
        with pytest.raises(Denied) as error:
            provider.ask(session, "gpt-5", ["Hello", "rarely told"])
        assert refusal(error) == "model-clearance"
    assert provider.sent == ["Hello"]


# ── which models there are ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("model", "provider", "known"),
    [
        ("gpt-5", "", True),
        ("gpt-5", "openai", True),
        ("gpt-5", "OpenAI", True),
        ("gpt-5-2025-08-07", "openai", True),
        ("gpt-5", "azure", False),
        ("GPT-5", "openai", False),
        ("gpt-6", "openai", False),
        ("", "", False),
        ("gpt-5\ud800", "", False),
        ("x" * 9_000, "y" * 9_000, False),
    ],
)
def test_a_model_that_the_catalog_does_not_know_reads_nothing(
    tmp_path: Path, model: str, provider: str, known: bool
) -> None:
    folder, wire = make_model_world(tmp_path), Provider()
    with opened(folder) as session:
        session.prompt("Hello")
        if known:
            wire.ask(session, model, ["Hello"], provider=provider)
        else:
            with pytest.raises(Denied):
                wire.ask(session, model, ["Hello"], provider=provider)
    assert wire.sent == (["Hello"] if known else [])
    (record,) = decisions(folder, MODEL_TOOL)
    assert (record.body["outcome"] == "allow") is known


def test_without_declared_models_calls_are_recorded_and_no_hosted_tool_is_offered(tmp_path: Path) -> None:
    folder, provider = make_model_world(tmp_path, models="", rules=""), Provider()
    with opened(folder) as session:
        session.call("fact.read", {"id": "1"}, run=Tool("rarely told").run)
        call = provider.ask(session, "whatever", ["rarely told"], hosted=["web_search"])
        assert (call.hosted, call.stripped) == ((), ("web_search",))
    assert provider.sent == ["rarely told"]
    (record,) = model_calls(folder)
    assert record.body["stripped"] == ["web_search"]
    assert decisions(folder, MODEL_TOOL) == []


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rules", "outcome"),
    [
        (PERMITS, Outcome.ALLOW),
        ("", Outcome.DENY),
        (PERMITS.replace('principal in Group::"support"', 'principal == User::"bob"'), Outcome.DENY),
        (PERMITS.replace('AgentClass::"desk"', 'AgentClass::"scout"'), Outcome.DENY),
        (PERMITS.replace("resource);", 'resource in Zone::"eu");'), Outcome.ALLOW),
        (PERMITS.replace("resource);", 'resource == Resource::"models/gpt-5");'), Outcome.ALLOW),
        (PERMITS.replace("resource);", 'resource == Resource::"models/in-house");'), Outcome.DENY),
        (PERMITS + '@id("no") @reason("No.") forbid (principal, action == Action::"model.call", resource)'
         ' when { context.model.region == "eu-west" };', Outcome.DENY),
        (PERMITS + '@id("no") @reason("No.") forbid (principal, action == Action::"model.call", resource)'
         ' when { context.model.provider != "openai" || context.model.name != "gpt-5" };', Outcome.ALLOW),
        (PERMITS + '@id("no") @reason("No.") forbid (principal, action in Action::"consequential", resource);',
         Outcome.ALLOW),
    ],
)  # fmt: skip
def test_every_link_needs_a_permit_and_forbids_hold(tmp_path: Path, rules: str, outcome: Outcome) -> None:
    folder, provider = make_model_world(tmp_path, rules=rules), Provider()
    with opened(folder) as session:
        session.prompt("Hello")
        if outcome is Outcome.ALLOW:
            provider.ask(session, "gpt-5", ["Hello"])
        else:
            with pytest.raises(Denied):
                provider.ask(session, "gpt-5", ["Hello"])
    assert bool(provider.sent) is (outcome is Outcome.ALLOW)
    assert first_call(folder, "gpt-5").outcome is outcome


def test_rules_read_the_label_of_all_that_the_session_has_seen(tmp_path: Path) -> None:
    """Whatever evidence says of other calls: a model reads everything, so its call is as sensitive as the session."""
    rule = (
        '@id("not-abroad") @reason("Not abroad.") forbid (principal, action == Action::"model.call", resource)'
        " when { context.flow.sensitivity >= 1 };"
    )
    settings = FILES["bailiwick.toml"].replace('strict = ["public"]', 'strict = ["restricted"]')
    folder, provider = make_model_world(tmp_path, rules=PERMITS + rule, bailiwick_toml=settings), Provider()
    with opened(folder) as session:
        session.prompt("Read")
        provider.ask(session, "gpt-5", ["Read"])
        session.call("page.read", {"id": "1"}, run=Tool("a page").run)
        with pytest.raises(Denied, match="Not abroad"):
            provider.ask(session, "gpt-5", ["Read"])
    assert provider.sent == ["Read"]


GATE = """
@id("abroad") @gate("approval") @approvers("Group::leads") @reason("A lead has to agree.")
forbid (principal, action == Action::"model.call", resource in Zone::"eu")
unless { context.approved.contains("abroad") };
"""


def test_an_approved_model_call_is_made_once_with_the_very_same_input(tmp_path: Path) -> None:
    folder, provider = make_model_world(tmp_path, rules=PERMITS + GATE), Provider()
    with opened(folder) as session:
        session.prompt("Hello")
        session.prompt("Hello again")
        with pytest.raises(ApprovalPending):
            provider.ask(session, "gpt-5", ["Hello"], hosted=["web_search"])
        assert provider.sent == []
        assert approve(session, asked(session)[0]).code == ""
        with pytest.raises(ApprovalPending):
            provider.ask(session, "gpt-5", ["Hello", "Hello again"], hosted=["web_search"])
        with pytest.raises(ApprovalPending):
            provider.ask(session, "gpt-5", ["Hello"], hosted=["web_search", "code_interpreter"])
        call = provider.ask(session, "gpt-5", ["Hello"], hosted=["web_search"])
        assert call.hosted == ("web_search",)
        assert provider.sent == ["Hello"]
        with pytest.raises(ApprovalPending):
            provider.ask(session, "gpt-5", ["Hello"], hosted=["web_search"])
    assert provider.sent == ["Hello"]


def test_an_approval_is_worth_nothing_once_the_session_has_seen_too_much(tmp_path: Path) -> None:
    folder, provider = make_model_world(tmp_path, rules=PERMITS + GATE), Provider()
    with opened(folder) as session:
        session.prompt("Hello")
        with pytest.raises(ApprovalPending):
            provider.ask(session, "gpt-5", ["Hello"])
        approve(session, asked(session)[0])
        session.call("fact.read", {"id": "1"}, run=Tool("rarely told").run)
        with pytest.raises(Denied) as error:
            provider.ask(session, "gpt-5", ["Hello"])
        assert refusal(error) == "model-clearance"
    assert provider.sent == []


# ── chains and grants ────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_agent_of_a_chain_needs_a_permit_and_inherits_the_label(tmp_path: Path) -> None:
    folder, provider = make_model_world(tmp_path), Provider()
    with opened(folder) as session:
        session.prompt("Do it")
        helper = session.delegate("helper", message="Do it")
        scout = session.delegate("scout", message="Do it")
        provider.ask(helper, "gpt-5", ["Do it"])
        with pytest.raises(Denied):
            provider.ask(scout, "gpt-5", ["Do it"])
        session.call("fact.read", {"id": "1"}, run=Tool("rarely told").run)
        late = session.delegate("helper", message="Do it")
        with pytest.raises(Denied) as error:
            provider.ask(late, "gpt-5", ["Do it"])
        assert refusal(error) == "model-clearance"
    assert provider.sent == ["Do it"]


def test_an_agent_that_was_given_few_tools_still_thinks_and_only_in_its_zones(tmp_path: Path) -> None:
    folder, provider = make_model_world(tmp_path), Provider()
    with opened(folder) as session:
        session.prompt("Do it")
        provider.ask(session.delegate("helper", tools=["page.read"], message="Do it"), "gpt-5", ["Do it"])
        provider.ask(session.delegate("helper", zones=["eu"], message="Do it"), "gpt-5", ["Do it"])
        for model, zones in (("gpt-5", ["pages"]), ("gpt-5", ["cellar"]), ("small", ["eu", "pages", "cellar"])):
            with pytest.raises(Denied) as error:
                provider.ask(session.delegate("helper", zones=zones, message="Do it"), model, ["Do it"])
            assert refusal(error) == "zone-not-granted"
    assert provider.sent == ["Do it", "Do it"]


def test_a_task_that_is_over_calls_no_model(tmp_path: Path) -> None:
    task = FILES["directory.toml"] + '\n[tasks.short]\npurpose = "Be brief"\nttl = "10m"\n'
    folder, provider = make_model_world(tmp_path, directory_toml=task), Provider()
    with opened(folder, task="short") as session:
        clock = Clock(session._engine.ports.clock())
        with_ports(session, clock=clock)
        provider.ask(session, "gpt-5", [])
        clock.forward(ms=600_001)
        with pytest.raises(Denied) as error:
            provider.ask(session, "gpt-5", [])
        assert refusal(error) == "task-expired"
    assert len(model_calls(folder)) == 1


def test_a_closed_session_calls_no_model(tmp_path: Path) -> None:
    folder, provider = make_model_world(tmp_path), Provider()
    with opened(folder) as session:
        child = session.delegate("helper", message="Do it")
        child.close()
        with pytest.raises(Denied) as error:
            provider.ask(child, "gpt-5", ["Do it"])
        assert refusal(error) == "session-closed"
    assert provider.sent == []


# ── tools of the provider ────────────────────────────────────────────────────────────────────────────────────────────

NO_SEARCH = """
@id("no-search") @reason("No searching.") forbid (principal, action == Action::"model.call", resource)
when { context.model.hosted.contains("web_search") };
"""
NOT_BOTH = """
@id("not-both") @reason("Not both.") forbid (principal, action == Action::"model.call", resource)
when { context.model.hosted.containsAll(["web_search", "code_interpreter"]) };
"""
ASK_SEARCH = """
@id("ask-search") @gate("approval") @approvers("Group::leads") @reason("A lead has to agree.")
forbid (principal, action == Action::"model.call", resource)
when { context.model.hosted.contains("web_search") }
unless { context.approved.contains("ask-search") };
"""
BOTH = ("web_search", "code_interpreter")


@pytest.mark.parametrize(
    ("rules", "wanted", "offered"),
    [
        (PERMITS, BOTH, BOTH),
        (PERMITS, ("web_search", "web_search"), ("web_search",)),
        (PERMITS, ("file_search", "code_interpreter"), ("code_interpreter",)),
        (PERMITS, ("file_search",), ()),
        (PERMITS + NO_SEARCH, BOTH, ("code_interpreter",)),
        (PERMITS + NOT_BOTH, BOTH, ()),
        (PERMITS + NOT_BOTH, BOTH[:1], BOTH[:1]),
        # Nobody is asked for the sake of a tool that the call can do without.
        (PERMITS + ASK_SEARCH, BOTH, ("code_interpreter",)),
    ],
)
def test_each_tool_of_the_provider_is_stripped_unless_entry_and_rules_permit_it(
    tmp_path: Path, rules: str, wanted: tuple[str, ...], offered: tuple[str, ...]
) -> None:
    folder = make_model_world(tmp_path, rules=rules)
    stripped = tuple(name for name in dict.fromkeys(wanted) if name not in offered)
    with opened(folder) as session:
        session.prompt("Hello")
        with session.model_call("gpt-5", inputs=["Hello"], hosted=wanted) as call:
            assert (call.hosted, call.stripped) == (offered, stripped)
    (record,) = model_calls(folder)
    assert record.body.get("hosted", []) == list(offered)
    assert record.body.get("stripped", []) == list(stripped)
    assert [event.body["outcome"] for event in decisions(folder, MODEL_TOOL)] == ["allow"]


def test_a_model_that_lists_no_tool_of_its_provider_is_offered_none(tmp_path: Path) -> None:
    folder = make_model_world(tmp_path)
    with opened(folder) as session, session.model_call("in-house", inputs=[], hosted=["web_search"]) as call:
        assert (call.hosted, call.stripped) == ((), ("web_search",))


# ── the record ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_decision_is_on_record_before_the_model_is_called_and_its_end_after(tmp_path: Path) -> None:
    folder = make_model_world(tmp_path)
    with opened(folder) as session:
        session.prompt("Hello")
        with session.model_call("gpt-5-2025-08-07", provider="openai", inputs=["Hello"]) as call:
            (decided,) = decisions(folder, MODEL_TOOL)
            assert model_calls(folder) == []
            call.output("Hi")
        own = session.id
    assert decided.body["outcome"] == "allow"
    assert decided.body["durability"] == "sync"
    (record,) = model_calls(folder)
    assert decided.id in record.parents
    assert record.body["model"] == "gpt-5-2025-08-07"
    assert kinds(folder, session=own)[-5:] == [
        "decision",
        "content.ingested",
        "model.called",
        "action.completed",
        "session.closed",
    ]


def test_a_call_that_failed_is_recorded_as_one_that_did(tmp_path: Path) -> None:
    folder = make_model_world(tmp_path)
    with opened(folder) as session:
        with pytest.raises(TimeoutError), session.model_call("gpt-5", inputs=[]):
            raise TimeoutError("too slow")
        (ended,) = [event for event in events(folder) if event.kind is EventKind.ACTION_FAILED]
        assert ended.body["error"] == "TimeoutError"
        assert not session._open.permits
    assert model_calls(folder)[0].body["outcome"] == "failed"


class Full:
    """A log that takes nothing from a moment on."""

    def __init__(self, log: object) -> None:
        self._log, self.full = log, False

    def append(self, drafts: Sequence[Draft], durability: Durability) -> Sequence[Receipt]:
        if self.full:
            raise LogUnavailable("the disk is full", hint="make room")
        return self._log.append(drafts, durability)  # type: ignore[attr-defined, no-any-return]

    def __getattr__(self, name: str) -> object:
        return getattr(self._log, name)


def test_no_model_is_called_where_the_decision_cannot_be_recorded(tmp_path: Path) -> None:
    folder, provider = make_model_world(tmp_path), Provider()
    with opened(folder) as session:
        session.prompt("Hello")
        log = Full(session._engine.ports.log)
        with_ports(session, log=log)
        log.full = True
        for model in ("gpt-5", "unheard-of"):
            with pytest.raises(Denied):
                provider.ask(session, model, ["Hello"])
        log.full = False
        with pytest.raises(StoreError), session.model_call("gpt-5", inputs=["Hello"]):
            log.full = True
        log.full = False
        abandon(session)
    assert provider.sent == []


def test_an_async_call_is_recorded_although_its_task_is_cancelled(tmp_path: Path) -> None:
    folder = make_model_world(tmp_path)

    async def work(session: Session, running: asyncio.Event) -> None:
        async with session.model_call("gpt-5", inputs=["Hello"]) as call:
            await call.aoutput("half of")
            running.set()
            await asyncio.Event().wait()

    async def cancelled(session: Session) -> None:
        running = asyncio.Event()
        task = asyncio.ensure_future(work(session, running))
        await running.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with opened(folder) as session:
        session.instructions("Hello")
        with session.model_call("gpt-5", inputs=["Hello"]) as call:
            call.usage(input=1)
        asyncio.run(cancelled(session))
    assert [record.body["outcome"] for record in model_calls(folder)] == ["completed", "failed"]
    assert len(model_calls(folder)[1].body["outputs"]) == 1  # type: ignore[arg-type]


def test_a_call_that_was_denied_is_no_call(tmp_path: Path) -> None:
    folder = make_model_world(tmp_path)
    with opened(folder) as session:
        call = session.model_call("unheard-of", inputs=[])
        with pytest.raises(Denied):
            call.__enter__()
        for use in (lambda: call.output("x"), lambda: call.piece("x"), call.__enter__):
            with pytest.raises(UsageError):
                use()
    assert model_calls(folder) == []


def test_model_calls_count_into_the_budgets_that_name_them_and_no_others(tmp_path: Path) -> None:
    budgets = FILES["bailiwick.toml"] + (
        '\n[budgets.thoughts]\ncounts = "calls"\nper = "session"\nlimit = 2\ntools = ["model.call"]\n'
        '\n[budgets.tokens]\ncounts = "tokens"\nper = "session"\nlimit = 100\nexpect = 10\ntools = ["model.call"]\n'
        '\n[budgets.reads]\ncounts = "calls"\nper = "session"\nlimit = 1\neffects = ["read"]\n'
    )
    folder = make_model_world(tmp_path, bailiwick_toml=budgets)
    with opened(folder) as session:
        with session.model_call("gpt-5", inputs=[]) as call:
            call.usage(input=30, output=12)
        session.call("page.read", {"id": "1"}, run=Tool("a page").run)
        with session.model_call("gpt-5", inputs=[]) as call:
            call.usage(input=30, output=12, total=95)
        with pytest.raises(Denied) as error:
            session.model_call("gpt-5", inputs=[]).__enter__()
        assert refusal(error) == "budget-exhausted"


# ── what other agents said ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_conversation_that_moves_between_agents_keeps_its_labels(tmp_path: Path) -> None:
    """Handoffs move whole conversations: what the other agent's session knows is its message, not of unknown origin."""
    folder, provider = make_model_world(tmp_path), Provider()
    with opened(folder) as session:
        session.prompt("Read page 1")
        page = session.call("page.read", {"id": "1"}, run=Tool("what page 1 says").run)
        thread = ["Read page 1", page]
        helper = session.delegate("helper", message="Go on")
        call = provider.ask(helper, "gpt-5", [*thread, "Go on"])
        assert call.unknown == ()
        assert (helper.label.sensitivity, helper.label.integrity) == (1, Integrity.UNTRUSTED)
        # Back again: what the helper's model wrote and read.
        other = helper.call("page.read", {"id": "2"}, run=Tool("what page 2 says").run)
        back = provider.ask(session, "gpt-5", [*thread, "Go on", other])
        assert back.unknown == ()
        # And sideways, to another agent that the first one handed on to.
        again = session.delegate("helper", message="And on")
        assert provider.ask(again, "gpt-5", [other, "And on"]).unknown == ()
        said = [event for event in events(folder) if event.body.get("origin") == "message"]
        assert {"agent:helper", "helper", "desk-bot"} & {str(event.body["source"]) for event in said}
        assert not [event for event in events(folder) if event.body.get("origin") == "unknown"]


def test_what_another_agent_said_has_the_label_of_all_that_it_has_seen(tmp_path: Path) -> None:
    folder, provider = make_model_world(tmp_path), Provider()
    with opened(folder) as session:
        session.prompt("Go")
        helper = session.delegate("helper", message="Go")
        helper.call("fact.read", {"id": "1"}, run=Tool("rarely told").run)
        helper.model_output("nothing special")
        with pytest.raises(Denied) as error:
            provider.ask(session, "gpt-5", ["Go", "nothing special"])
        assert refusal(error) == "model-clearance"
        assert "pii" in session.label.categories
    assert provider.sent == []


def test_what_no_agent_of_the_work_knows_is_of_unknown_origin(tmp_path: Path) -> None:
    folder, provider = make_model_world(tmp_path), Provider()
    with opened(folder, conversation="other") as other:
        other.prompt("said elsewhere")
    with opened(folder) as session:
        helper = session.delegate("helper", message="Go")
        with pytest.raises(Denied):
            provider.ask(helper, "gpt-5", ["Go", "said elsewhere"])
        assert helper.label.integrity is Integrity.UNTRUSTED
        assert session.label.integrity is not Integrity.UNTRUSTED


def test_a_conversation_that_was_rebound_still_knows_whom_it_handed_to(tmp_path: Path) -> None:
    folder, provider = make_model_world(tmp_path), Provider()
    with Guard.open(folder) as guard, guard.session(user="alice", agent="desk-bot", task="Work") as session:
        session.prompt("Go")
        helper = session.delegate("helper", message="Go")
        helper.model_output("half done")
        session.rebind("thread-1")
        session.model_output("whole")
        assert provider.ask(session, "gpt-5", ["Go", "half done"]).unknown == ()
        assert provider.ask(helper, "gpt-5", ["whole"]).unknown == ()


# ── explained ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_explained_is_what_is_decided(tmp_path: Path) -> None:
    folder = make_model_world(tmp_path, rules=PERMITS + GATE + NO_SEARCH)
    assert first_call(folder, "in-house").outcome is Outcome.ALLOW
    assert first_call(folder, "gpt-5").outcome is Outcome.NEEDS_APPROVAL
    assert first_call(folder, "gpt-5", hosted=["web_search"]).outcome is Outcome.DENY
    assert first_call(folder, "gpt-5", user="eve").outcome is Outcome.DENY
    for model, hosted, code in (
        ("unheard-of", [], "unknown-model"),
        ("in-house", ["web_search"], "hosted-not-listed"),
    ):
        assert first_call(folder, model, hosted=hosted).reasons[0].code == code


def test_a_change_of_a_models_entry_holds_from_the_next_call_on(tmp_path: Path) -> None:
    folder, provider = make_model_world(tmp_path), Provider()
    with opened(folder) as session:
        session.call("page.read", {"id": "1"}, run=Tool("a page").run)
        provider.ask(session, "gpt-5", ["a page"])
    edit(folder, "tools/desk.toml", 'clearance  = "internal"', 'clearance  = "public"')
    with opened(folder) as session:
        with pytest.raises(Denied) as error:
            provider.ask(session, "gpt-5", ["a page"])
        assert refusal(error) == "model-clearance"
    assert provider.sent == ["a page"]
    assert MODELS.count("clearance") == 3
