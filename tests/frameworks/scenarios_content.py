"""What results are, where they get to, and what follows from their labels: redaction, hiding, taint, models."""

from __future__ import annotations

from bailiwick import Integrity
from bailiwick.adapters.coverage import Reach
from bailiwick.audit.model_calls import inputs_of
from tests.frameworks.asking import DONE, PROMPT, Make, ask, heard, nowhere, one, says_why, timed
from tests.frameworks.desk import CARD, FACT, LETTER, Desk
from tests.frameworks.harness import Agent, Ask, HostedTool, Mode, NotSupported

__all__ = ["SCENARIOS"]

CHOSEN = "Somebody else's text chose this."


def redacted_result(make: Make, desk: Desk) -> None:
    """What a rule takes out of a result is nowhere: not in what the model reads, in callbacks, traces or events"""
    ran = ask(make, desk, one("read_card", id="1"), "read_card")
    assert len(desk.runs()) == 1
    assert heard(ran, "The card is [payment-card].")
    nowhere(ran, CARD)
    asynchronous = ask(make, desk, one("read_card", id="1"), "read_card", mode=Mode.ASYNC)
    assert heard(asynchronous, "The card is [payment-card].")
    nowhere(asynchronous, CARD)


def redacted_stream(make: Make, desk: Desk) -> None:
    """Runs that stream: no piece and no event holds what a rule takes out"""
    ran = ask(make, desk, one("read_card", id="1"), "read_card", mode=Mode.STREAM)
    assert len(desk.runs()) == 1
    assert heard(ran, "The card is [payment-card].")
    nowhere(ran, CARD)


def redacted_error(make: Make, desk: Desk) -> None:
    """What a rule takes out of what a tool says when it fails is nowhere, either"""
    ran = ask(make, desk, one("read_card", id="broken"), "read_card")
    assert len(desk.runs()) == 1
    nowhere(ran, CARD)


def hidden_result(make: Make, desk: Desk) -> None:
    """Of a hidden result the model reads a name, and nothing of it is anywhere else"""
    ran = ask(make, desk, one("read_letter", id="1"), "read_letter")
    assert len(desk.runs()) == 1
    assert heard(ran, '"handle":"h-'), ran.told
    nowhere(ran, LETTER)


def labels_reach_the_next_call(make: Make, desk: Desk) -> None:
    """What a result brought in counts for the next call"""
    clean = ask(make, desk, one("put_safe", id="7"), "put_safe")
    assert clean.error is None, clean.error
    assert desk.runs() == [("put_safe", {"id": "7"})]
    tainted = ask(make, desk, (Ask.one("read_page", id="1"), *one("put_safe", id="8")), "read_page", "put_safe")
    says_why(tainted, CHOSEN)
    assert len(desk.runs("put_safe")) == 1


def own_texts_do_not_taint(make: Make, desk: Desk) -> None:
    """The system prompt, denials and the framework's renderings of trusted results are known, and taint nothing"""
    calls = ("put_safe", {"id": "1"}), ("read_page", {"id": "9"}), ("read_fact", {"id": "2"})
    ran = ask(
        make,
        desk,
        (*(Ask((each,)) for each in calls), *one("put_safe", id="3")),
        *("put_safe", "read_page", "read_fact"),
        instructions="You are a careful desk bot.",
    )
    says_why(ran, "Page 9 is closed.")
    assert heard(ran, FACT)
    assert [args["id"] for _, args in desk.runs("put_safe")] == ["1", "3"], ran.told


def unknown_text_taints(make: Make, desk: Desk) -> None:
    """What the model is given and the session does not know taints it before the model's next call"""
    with desk.session():
        harness = make(desk)
        agent = Agent(script=one("put_safe", id="7"), tools=desk.pick("put_safe"))
        ran = timed(lambda: harness.run(agent, "A prompt that nobody vouched for."))
    says_why(ran, CHOSEN)
    assert desk.runs() == []


def retrieval(make: Make, desk: Desk) -> None:
    """What is retrieved is labelled, and kept from whoever may not read it"""
    documents = [
        ("Lunch is at noon.", {"sensitivity": "public"}),
        ("The board plans to sell the harbour.", {"sensitivity": "restricted"}),
        ("Dinner is at eight.", {"sensitivity": "public"}),
    ]
    with desk.session(prompt=PROMPT) as session:
        harness = make(desk)
        found = timed(lambda: harness.retrieve(documents, "When is lunch?"))
        assert sorted(found) == ["Dinner is at eight.", "Lunch is at noon."]
        assert session.label.integrity is Integrity.UNTRUSTED
        assert session.check("put_safe", {"id": "7"}).outcome.value == "deny"
    (withheld,) = desk.events("content.withheld")
    assert withheld.body["withheld"] == 1


def model_calls_on_record(make: Make, desk: Desk) -> None:
    """Each call of the model is on record: what it was given, which tools it was offered, what it said"""
    _must_show_model_calls(make, desk)
    with desk.session(prompt=PROMPT) as session:
        harness = make(desk)
        agent = Agent(script=one("put_safe", id="7"), tools=desk.pick("put_safe"))
        ran = timed(lambda: harness.run(agent, PROMPT))
        known = {event.id: event for event in desk.events()}
        contents = session._engine.ports.contents
        texts = [[contents.content(given, "text") for given in inputs_of(known.get, e)] for e in desk.told_models()]
    records = desk.told_models()
    assert len(records) == ran.model_calls == 2
    assert "put_safe" in records[0].body["tools"]  # type: ignore[operator]
    assert PROMPT.encode() in texts[0]
    assert len(texts[1]) > len(texts[0]), "the result was not among what it was given next"
    assert all(record.body["outputs"] and record.body["outcome"] == "completed" for record in records)


def model_calls_streaming(make: Make, desk: Desk) -> None:
    """Runs that stream: each call of the model is on record"""
    _must_show_model_calls(make, desk)
    ran = ask(make, desk, one("put_safe", id="7"), "put_safe", mode=Mode.STREAM)
    records = desk.told_models()
    assert len(records) == ran.model_calls == 2
    assert all(record.body["outputs"] and record.body["outcome"] == "completed" for record in records)


def model_that_may_not_read(make: Make, desk: Desk) -> None:
    """A model that may not read what the session has seen is not called"""
    _must_show_model_calls(make, desk)
    named = ask(make, desk, (DONE,), "read_page")
    assert named.final == DONE.text
    (model,) = {str(record.body["model"]) for record in desk.told_models()}
    (desk.folder / "tools/models.toml").write_text(f'[models."{model}"]\nclearance = "internal"\n', encoding="utf-8")
    (desk.folder / "policies/models.cedar").write_text(_MAY_CALL, encoding="utf-8")
    desk.close()
    script = (Ask.one("read_page", id="1"), Ask.one("read_fact", id="2"), DONE)
    ran = ask(make, desk, script, "read_page", "read_fact")
    assert [tool for tool, _ in desk.runs()] == ["read_page", "read_fact"]
    assert desk.outcomes("model.call") == ["allow", "allow", "deny"]
    assert ran.model_calls == 2
    assert ran.final != DONE.text


def hosted_tools(make: Make, desk: Desk) -> None:
    """Tools that the provider runs are taken from the model, or the run is refused; coverage shows them"""
    hosted = (HostedTool(),)
    with desk.session(prompt=PROMPT):
        harness = make(desk)
        agent = Agent(script=(DONE,), tools=desk.pick("put_safe"), hosted=hosted)
        covered = harness.coverage(agent)
        ran = timed(lambda: harness.run(agent, PROMPT))
    assert ran.model_calls == 0 or not any("search" in name for name in ran.offered), ran.offered
    assert [tool.tool for tool in covered.tools if tool.reach is Reach.OBSERVED], covered


def coverage(make: Make, desk: Desk) -> None:
    """`guard.coverage` lists every tool of the agent: which is enforced, and which the catalog does not know"""
    with desk.session(prompt=PROMPT):
        harness = make(desk)
        agent = Agent(script=(DONE,), tools=desk.pick("read_page", "put_safe", "look_at"))
        covered = harness.coverage(agent)
    known = {tool.tool: tool for tool in covered.tools}
    assert {"read_page", "put_safe", "look_at"} <= known.keys()
    assert (known["read_page"].reach, known["read_page"].catalog) == (Reach.ENFORCED, "page.read")
    assert [tool.tool for tool in covered.gaps] == ["look_at"]


def coverage_of_other_agents(make: Make, desk: Desk) -> None:
    """`guard.coverage` reaches the agents that work as tools"""
    helper = Agent(name="helper", script=(DONE,), tools=desk.pick("read_fact"))
    with desk.session(prompt=PROMPT):
        agent = Agent(script=(DONE,), tools=desk.pick("read_page"), as_tools=(helper,))
        covered = make(desk).coverage(agent)
    assert {"read_page", "read_fact"} <= {tool.tool for tool in covered.tools}


def coverage_of_handoffs(make: Make, desk: Desk) -> None:
    """`guard.coverage` reaches the agents that a conversation can be handed on to"""
    scout = Agent(name="scout", script=(DONE,), tools=desk.pick("read_fact"))
    with desk.session(prompt=PROMPT):
        agent = Agent(script=(DONE,), tools=desk.pick("read_page"), hands_to=(scout,))
        covered = make(desk).coverage(agent)
    assert {"read_page", "read_fact"} <= {tool.tool for tool in covered.tools}


def _must_show_model_calls(make: Make, desk: Desk) -> None:
    if why := make(desk).no_model_calls:
        raise NotSupported(why)


_MAY_CALL = """
@id("may-call-models")
permit (principal, action == Action::"model.call", resource);
"""


SCENARIOS = (
    redacted_result,
    redacted_stream,
    redacted_error,
    hidden_result,
    labels_reach_the_next_call,
    own_texts_do_not_taint,
    unknown_text_taints,
    retrieval,
    model_calls_on_record,
    model_calls_streaming,
    model_that_may_not_read,
    hosted_tools,
    coverage,
    coverage_of_other_agents,
    coverage_of_handoffs,
)
