"""Mutants: what mistakes there are, which of them tests notice, and that a test that is said to be missing is."""

from __future__ import annotations

from pathlib import Path

import pytest
from cedarpy import policies_to_pst

from bailiwick.guard.planes import Planes
from bailiwick.policy.mutants import mutants_of
from bailiwick.policy.mutations import mutations
from bailiwick.project import load_project
from bailiwick.testing import Mutation, load_tests, mutate, run
from tests.docs.markdown import ROOT
from tests.testing.desk import PARTS, planes_of, read, ticking
from tests.worlds import FILES

TESTS = (
    PARTS
    + """
[[matrix]]
name       = "plain"
principals = ["alice", "eve"]
calls      = ["read", "read-9", "mail", "put"]
expect     = { alice = { read = "allow", mail = "needs_approval", put = "allow" } }
[[matrix]]
name       = "after a stranger's text"
principals = ["alice", "eve"]
calls      = ["read", "put"]
context    = "strange"
expect     = { alice = { read = "allow" } }
"""
)


def condition(text: str) -> list[str]:
    trees = policies_to_pst(f"forbid (principal, action, resource) when {{ {text} }};").static_policies
    (tree,) = trees.values()
    return [each.told for each in mutations(tree.clauses[0].expr)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("context.a", ["`context.a` becomes `!context.a`"]),
        ("!context.a", ["`!context.a` becomes `context.a`"]),
        (
            "context.a && context.b",
            [
                "`context.a &&` is gone",
                "`&& context.b` is gone",
                "`context.a && context.b` becomes `context.a || context.b`",
                "`context.a` becomes `!context.a`",
                "`context.b` becomes `!context.b`",
            ],
        ),
        (
            "context.n < 3",
            [
                "`context.n < 3` becomes `context.n <= 3`",
                "`context.n < 3` becomes `context.n < 2`",
                "`context.n < 3` becomes `context.n < 4`",
                "`context.n < 3` becomes `!(context.n < 3)`",
            ],
        ),
        (
            "context.n == 1",
            [
                "`context.n == 1` becomes `context.n <= 1`",
                "`context.n == 1` becomes `context.n >= 1`",
                "`context.n == 1` becomes `context.n != 1`",
                "`context.n == 1` becomes `context.n == 0`",
                "`context.n == 1` becomes `context.n == 2`",
            ],
        ),
        (
            '["a", "b"].containsAll(context.s)',
            [
                '`["a", "b"].containsAll(context.s)` becomes `["a", "b"].containsAny(context.s)`',
                '`["a", "b"].containsAll(context.s)` becomes `["b"].containsAll(context.s)`',
                '`["a", "b"].containsAll(context.s)` becomes `["a"].containsAll(context.s)`',
                '`["a", "b"].containsAll(context.s)` becomes `!["a", "b"].containsAll(context.s)`',
            ],
        ),
        ('context.a == "x"', ['`context.a == "x"` becomes `context.a != "x"`']),
    ],
)
def test_the_mistakes_in_a_condition(text: str, told: list[str]) -> None:
    assert condition(text) == told


def test_the_mistakes_in_a_rule(tmp_path: Path) -> None:
    planes = planes_of(tmp_path)
    told = {(each.rule, each.change) for each in mutants_of(planes.policy)}
    assert {change for rule, change in told if rule == "page-9-is-closed"} == {
        "the rule is gone",
        'scope `resource == Resource::"pages/9"` becomes `resource`',
        'scope `action == Action::"page.read"` becomes `action`',
    }
    assert {change for rule, change in told if rule == "external-mail"} == {
        "the rule is gone",
        'scope `action in Action::"send"` becomes `action`',
        "`when { context.flow.recipients_external }` is gone",
        "`when { context.flow.recipients_external }` becomes `unless { context.flow.recipients_external }`",
        "`context.flow.recipients_external` becomes `!context.flow.recipients_external`",
        "the gate is a forbid that nobody can lift",
    }


def test_no_two_mutants_are_one_rule_and_each_differs(tmp_path: Path) -> None:
    made = mutants_of(planes_of(tmp_path).policy)
    assert len({(each.rule, each.tree) for each in made}) == len(made) > 50
    assert all(each.tree != each.before for each in made)
    assert made == mutants_of(planes_of(tmp_path).policy), "the same every time"


def mutated(planes: Planes, text: str, heard: list[int] | None = None) -> Mutation:
    file = read(planes, text)
    results = run(planes, file.cases, clock=ticking())
    assert [one.case.title for one in results if not one.passed] == []
    told = [] if heard is None else heard
    return mutate(planes, [file], results, started=told.append, tried=lambda: told.append(1))


def names(made: Mutation) -> set[tuple[str, str]]:
    return {(mutant.rule, mutant.change) for each in made.missing for mutant in each.mutants}


def unshown(made: Mutation) -> list[tuple[str, str]]:
    return [(each.mutant.rule, each.mutant.change) for each in made.unshown]


@pytest.fixture(scope="module")
def planes(tmp_path_factory: pytest.TempPathFactory) -> Planes:
    return planes_of(tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="module")
def before(planes: Planes) -> Mutation:
    return mutated(planes, TESTS)


def test_what_would_not_load_counts_neither_way(planes: Planes, before: Mutation) -> None:
    made = mutants_of(planes.policy)
    assert before.invalid == sum(each.engine(planes.policy) is None for each in made)
    assert before.killed + before.survived + before.invalid == len(made)
    assert before.score == pytest.approx(100 * before.killed / (before.killed + before.survived))
    assert 0 < before.score < 100


def test_a_mistake_that_the_loader_refuses_makes_no_engine(tmp_path: Path) -> None:
    rules = FILES["policies/desk.cedar"] + (
        '\n@id("one-select") forbid (principal, action == Action::"db.query", resource)\n'
        "unless { context.args.sql.statements == 1 };"
    )
    planes = planes_of(tmp_path, policies_desk_cedar=rules)
    wide = next(each for each in mutants_of(planes.policy) if each.rule == "one-select" and "scope" in each.change)
    assert wide.engine(planes.policy) is None, "no other tool has an argument sql"


def test_missing_tests_kill_their_mutants_when_they_are_added(planes: Planes, before: Mutation) -> None:
    lost = names(before)
    assert ("desk-agents", 'scope lacks `Action::"put.none"`') in lost
    assert ("page-8-is-closed-too", "the rule is gone") in lost, "the rule itself names page 8"
    assert all(each.file == "tests/desk.toml" for each in before.missing)
    after = mutated(planes, TESTS + "".join(f"\n{each.toml}" for each in before.missing))
    assert after.missing == ()
    assert after.killed == before.killed + len(lost)
    assert unshown(after) == unshown(before)
    assert after.score > before.score


def test_one_missing_test_kills_its_own_mutants(planes: Planes, before: Mutation) -> None:
    first = before.missing[0]
    after = mutated(planes, f"{TESTS}\n{first.toml}")
    assert names(before) - names(after) >= {(mutant.rule, mutant.change) for mutant in first.mutants}


def test_the_search_is_the_same_every_time_and_tells_of_its_progress(planes: Planes, before: Mutation) -> None:
    heard: list[int] = []
    assert mutated(planes, TESTS, heard) == before
    assert heard[0] == len(heard) - 1 == len(mutants_of(planes.policy))


def test_the_tests_of_the_example() -> None:
    """Every rule of examples/support decides in its tests; no call shows any of the mutants that are left."""
    folder = ROOT / "examples" / "support"
    planes = load_project(folder).planes
    sources = [(f"tests/{path.name}", path.read_text("utf-8")) for path in sorted((folder / "tests").glob("*.toml"))]
    files = load_tests(sources, planes=planes)
    results = run(planes, [case for file in files for case in file.cases], clock=ticking())
    assert [one.case.title for one in results if not one.passed] == []
    made = mutate(planes, files, results)
    assert made.missing == ()
    assert made.score > 92


FREEZE = """
[hours]
days     = ["monday", "tuesday", "wednesday", "thursday", "friday"]
begin    = "09:00"
end      = "17:00"
timezone = "Europe/Berlin"

[environment]
network = "string"
managed = "bool?"

[facts.frozen]
type    = "bool"
about   = "global"
timeout = "500ms"
max_age = "1m"
"""
READERS = """
@id("readers") permit (principal, action in [Action::"page.read", Action::"fact.read"], resource);
"""
RULES_AROUND = """
@id("few-rows") forbid (principal, action == Action::"page.read", resource)
when { context.args has limit && context.args.limit > 5 };
@id("by-day") forbid (principal, action == Action::"page.read", resource) unless { context.hours.working };
@id("frozen") forbid (principal, action == Action::"page.read", resource)
when { context.facts.frozen.value || context.facts.frozen.age_ms > 30000 };
@id("abroad") forbid (principal, action == Action::"page.read", resource)
when { context.environment.network == "abroad" };
@id("own-device") forbid (principal, action == Action::"page.read", resource)
when { context.environment has managed && !context.environment.managed };
@id("stale") forbid (principal, action == Action::"page.read", resource)
when { context.evidence.strong && context.evidence.age_ms > 60000 };
"""
AROUND = """
now = "2026-03-02T10:15:00Z"
[principals.alice]
user  = "alice"
agent = "desk-bot"
task  = "Some work"
[calls.read]
tool = "page.read"
args = { id = "1" }
[contexts.calm]
facts       = { frozen = false }
environment = { network = "office" }
[[case]]
principal = "alice"
call      = "read"
context   = "calm"
outcome   = "allow"
"""


def test_missing_tests_give_facts_times_and_numbers(tmp_path: Path) -> None:
    """A call without the facts that its rules read is no test: it could not be judged."""
    planes = planes_of(
        tmp_path, bailiwick_toml=FILES["bailiwick.toml"] + FREEZE, policies_desk_cedar=READERS + RULES_AROUND
    )
    before = mutated(planes, AROUND)
    rules = {"few-rows", "by-day", "frozen", "abroad", "own-device", "stale"}
    assert {rule for rule, _ in names(before)} >= rules
    assert [told for told in unshown(before) if told[0] in rules and "scope" not in told[1]] == []
    after = mutated(planes, AROUND + "".join(f"\n{each.toml}" for each in before.missing))
    assert names(after).isdisjoint(names(before))
    assert after.killed == before.killed + len(names(before))


def test_a_case_without_the_facts_of_its_rules_is_never_printed(tmp_path: Path) -> None:
    """Also where the file knows no context at all: the contexts come with the cases."""
    settings = FILES["bailiwick.toml"] + FREEZE[FREEZE.index("[facts") :]
    frozen = '@id("frozen") forbid (principal, action == Action::"page.read", resource)'
    planes = planes_of(
        tmp_path,
        bailiwick_toml=settings,
        policies_desk_cedar=READERS + frozen + " when { context.facts.frozen.value };",
    )
    parts = AROUND[: AROUND.index("[contexts")].replace("page.read", "fact.read")
    text = parts + '[[case]]\nprincipal = "alice"\ncall = "read"\noutcome = "allow"\n'
    before = mutated(planes, text)
    assert ("frozen", "the rule is gone") in names(before)
    assert all("frozen = " in each.toml for each in before.missing if any(one.rule == "frozen" for one in each.mutants))
    after = mutated(planes, text + "".join(f"\n{each.toml}" for each in before.missing))
    assert names(after).isdisjoint(names(before))


def test_missing_tests_say_where_hosts_are(tmp_path: Path) -> None:
    tool = '[tools."web.get"]\neffects = ["fetch"]\nargs.url = { type = "url", role = "target" }\n'
    rules = (
        '@id("web") permit (principal, action == Action::"web.get", resource);\n'
        '@id("inside") forbid (principal, action in Action::"fetch", resource) when { context.fetch.private };\n'
    )
    planes = planes_of(tmp_path, tools_desk_toml=FILES["tools/desk.toml"] + tool, policies_desk_cedar=READERS + rules)
    text = AROUND[: AROUND.index("[contexts")] + (
        '[calls.get]\ntool = "web.get"\nargs = { url = "https://api.shop.example/" }\n'
        '[[case]]\nprincipal = "alice"\ncall = "get"\noutcome = "allow"\n'
        '[[case]]\nprincipal = "alice"\ncall = "read"\noutcome = "allow"\n'
    )
    before = mutated(planes, text)
    assert ("inside", "the rule is gone") in names(before)
    assert any('hosts = { "api.shop.example" = [' in each.toml for each in before.missing)
    after = mutated(planes, text + "".join(f"\n{each.toml}" for each in before.missing))
    assert names(after).isdisjoint(names(before))
