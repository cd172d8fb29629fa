"""Attack packs: data that is checked, and a project folder attacked with nothing but itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bailiwick.errors import ProjectError, UsageError
from bailiwick.redteam.hits import ATLAS_TITLES, hits_of
from bailiwick.redteam.pack_world import pack_world
from bailiwick.redteam.packs import ASI, load_packs
from bailiwick.redteam.results import WorldRun
from bailiwick.redteam.run import Plan, run_world, unsound
from tests.docs.markdown import ROOT

PROJECT = """\
tenant = "small"
env    = "test"
[org]
domains = ["small.example"]
"""
DIRECTORY = """\
[groups.staff]
[users.ann]
email  = "ann@small.example"
groups = ["staff"]
[users.ben]
email  = "ben@small.example"
groups = ["staff"]
[classes.clerks]
[agents.clerk]
classes = ["clerks"]
owner   = "ben"
"""
TOOLS = """\
[tools."inbox.read"]
effects = ["read"]
args.id = { type = "string", role = "selector" }
output  = { sensitivity = "internal" }

[tools."bank.pay"]
effects     = ["pay"]
args.iban   = { type = "iban", role = "target" }
args.amount = { type = "money", currency = "EUR", role = "value" }
output      = { untrusted = [] }

[tools."mail.send"]
effects   = ["send"]
args.to   = { type = "email[]", role = "target", recipients = true }
args.body = { type = "string", role = "content" }
output    = { untrusted = [] }
"""
ALL = """\
@id("staff") permit (principal in Group::"staff", action, resource);
@id("clerks") permit (principal in AgentClass::"clerks", action, resource);
"""
NOTHING_AFTER_A_STRANGER = """
@id("nothing-after-a-stranger")
forbid (principal, action in Action::"consequential", resource) when { context.flow.tainted };
"""


def project(folder: Path, rules: str = ALL) -> Path:
    for name, text in (
        ("bailiwick.toml", PROJECT),
        ("directory.toml", DIRECTORY),
        ("tools/all.toml", TOOLS),
        ("policies/all.cedar", rules),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def attacked(folder: Path, *packs: str) -> WorldRun:
    return run_world(lambda: pack_world(folder, packs), Plan(processes=1))


def won(run: WorldRun) -> set[str]:
    return {f"{pair.task} {pair.attack}" for pair in run.pairs if pair.succeeded}


def test_every_pack_that_comes_along_loads_and_is_mapped() -> None:
    packs = load_packs()
    assert {pack.name for pack in packs} >= {"injection", "exfiltration", "laundering", "commands"}
    for pack in packs:
        for attack in pack.attacks:
            assert set(attack.asi) <= ASI, attack.id
            assert set(attack.atlas) <= ATLAS_TITLES.keys(), attack.id


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('title = "T"', "has no attack"),
        ('title = "T"\n[[attack]]\nid="a"\ntitle="t"\nfamily="f"\ntext="x"\nasi=["ASI01"]', "changes nothing"),
        (
            'title="T"\n[[attack]]\nid="a"\ntitle="t"\nfamily="f"\ntext="x"\nasi=["ASI01"]\nchange={targett="attacker"}',
            "'targett' is no role",
        ),
        (
            'title="T"\n[[attack]]\nid="a"\ntitle="t"\nfamily="f"\ntext="x"\nasi=["ASI01"]\nchange={target="wish"}',
            "'wish' is no way",
        ),
        (
            'title="T"\n[[attack]]\nid="a"\ntitle="t"\nfamily="f"\ntext="x"\nasi=["ASI99"]\nchange={target="attacker"}',
            "ASI99",
        ),
        (
            (
                'title="T"\n[[attack]]\nid="a"\ntitle="t"\nfamily="f"\ntext="x"\nasi=["ASI01"]\n'
                'change={target="attacker"}\nbefor="delegate"'
            ),
            "befor",
        ),
    ],
)
def test_a_pack_with_a_mistake_is_refused_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProjectError) as refused:
        load_packs([str(path)])
    assert any(says in finding.message for finding in refused.value.findings)
    assert all(finding.where.file == "mine.toml" for finding in refused.value.findings)


def test_a_pack_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="no attack pack 'injectoin'"):
        load_packs(["injectoin"])


def test_an_open_project_is_taken_and_a_closed_one_is_not(tmp_path: Path) -> None:
    opened = attacked(project(tmp_path / "open"))
    assert not unsound([opened])
    assert {"bank.pay injection/another-payee", "mail.send injection/another-recipient"} <= won(opened)
    closed = attacked(project(tmp_path / "closed", ALL + NOTHING_AFTER_A_STRANGER))
    assert won(closed) == set()
    assert {pair.attack for pair in closed.pairs if pair.trials} == {
        pair.attack for pair in opened.pairs if pair.trials
    }


def test_what_is_proposed_stops_the_attack_and_its_test_passes(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from bailiwick.cli import cli

    folder = project(tmp_path / "p")
    run = attacked(folder, "injection")
    world = pack_world(folder, ("injection",))
    hit = next(each for each in hits_of(run, world, world.catalog) if each.attack == "injection/another-payee")
    assert hit.proposal is not None
    (folder / "tests").mkdir()
    (folder / "tests" / "redteam.toml").write_text(hit.proposal.test, encoding="utf-8")
    before = CliRunner().invoke(cli, ["policy", "test", str(folder)])
    assert before.exit_code == 1, before.output
    (folder / "policies" / "redteam.cedar").write_text(hit.proposal.policy, encoding="utf-8")
    after = CliRunner().invoke(cli, ["policy", "test", str(folder)])
    assert after.exit_code == 0, after.output
    shutil.rmtree(folder / "tests")
    assert not {name for name in won(attacked(folder, "injection")) if name.startswith("bank.pay")}


def test_a_project_that_nothing_can_reach_is_an_error(tmp_path: Path) -> None:
    nobody = '@id("nobody") forbid (principal, action, resource);\n'
    with pytest.raises(UsageError, match="nobody in directory"):
        pack_world(project(tmp_path, ALL + nobody))


def test_the_support_desk_holds() -> None:
    run = attacked(ROOT / "examples" / "support", "injection")
    assert not unsound([run])
    assert won(run) == set()
