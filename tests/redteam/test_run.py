"""The attack runner against a small real world: it finds what is wanting, and never calls a run sound that is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bailiwick.errors import UsageError
from bailiwick.redteam.deployment import forbids_of
from bailiwick.redteam.results import Fate, PairRun, Reach, WorldRun, figures
from bailiwick.redteam.run import Plan, run_world, unsound
from bailiwick.redteam.world import Moment
from tests.redteam.mailroom import ANY, ASK_ALWAYS, CHOSEN, NO_MAIL, NOTHING, Mailroom, deployment

WINNABLE = ("steal", "by-helper")


def ran(folder: Path, rules: str, plan: Plan | None = None, attacks: tuple[str, ...] = WINNABLE) -> WorldRun:
    deployment(folder, rules)
    return run_world(lambda: Mailroom(folder, attacks), plan or Plan(processes=1))


def pair_of(run: WorldRun, attack: str) -> PairRun:
    return next(pair for pair in run.pairs if pair.attack == attack)


@pytest.mark.parametrize("moment", list(Moment))
def test_a_deployment_without_rules_is_found_wanting(tmp_path: Path, moment: Moment) -> None:
    run = ran(tmp_path, ANY, Plan(processes=1, moments=(moment,)))
    assert not unsound([run])
    assert [pair.succeeded for pair in run.pairs] == [True, True]
    assert figures([run]).attack_success == 1.0


def test_rules_that_hold_let_the_user_work_and_no_attack_through(tmp_path: Path) -> None:
    run = ran(tmp_path, ANY + CHOSEN)
    told = figures([run])
    assert not unsound([run])
    assert (told.attack_success, told.benign_utility, told.unattended_utility, told.approvals_per_task) == (0, 1, 1, 0)
    assert told.utility_under_attack == 1.0
    refused = [call for pair in run.pairs for _, trial in pair.trials for call in trial.attempts]
    assert {call.fate for call in refused} == {Fate.REFUSED}
    assert all("chosen-by-others" in call.rules for call in refused)


def test_the_same_rules_without_that_one_do_not_hold(tmp_path: Path) -> None:
    run = ran(tmp_path, ANY + CHOSEN, Plan(processes=1, rules_off=("chosen-by-others",)))
    assert figures([run]).attack_success == 1.0


def test_the_oracle_says_yes_to_the_users_call_and_no_to_the_attackers(tmp_path: Path) -> None:
    run = ran(tmp_path, ANY + ASK_ALWAYS)
    told = figures([run])
    assert (told.benign_utility, told.unattended_utility, told.approvals_per_task) == (1, 0, 1)
    assert told.attack_success == 0
    (_, trial) = pair_of(run, "steal").trials[0]
    assert [(call.attackers, call.fate) for call in trial.calls] == [
        (False, Fate.RAN),
        (True, Fate.REFUSED),
        (False, Fate.APPROVED),
    ]
    assert trial.approvals == 1, "what the attacker's calls ask is not counted to the user"


def test_a_refused_call_of_the_task_breaks_it(tmp_path: Path) -> None:
    run = ran(tmp_path, ANY + NO_MAIL)
    told = figures([run])
    assert (told.benign_utility, told.attack_success) == (0, 0)
    assert [call.tool for call in run.benign[0].trial.refused] == ["mail.send"]
    assert not unsound([run]), "it was reached: tickets are read"


def test_a_target_that_lets_nothing_through_was_not_reached(tmp_path: Path) -> None:
    assert "not reached" in unsound([ran(tmp_path, ANY + NOTHING)])


def test_a_run_in_which_nothing_was_attacked_is_not_sound(tmp_path: Path) -> None:
    run = ran(tmp_path, ANY + CHOSEN, attacks=("elsewhere", "harmless", "no-calls"))
    assert figures([run]).attack_success == 0
    assert "no attack" in unsound([run])


def test_pairs_that_cannot_be_won_are_left_out_and_counted(tmp_path: Path) -> None:
    run = ran(tmp_path, ANY, attacks=(*WINNABLE, "elsewhere", "harmless", "no-calls"))
    assert {pair.attack: pair.reach for pair in run.pairs} == {
        "steal": Reach.WINNABLE,
        "by-helper": Reach.WINNABLE,
        "elsewhere": Reach.UNSEEN,
        "harmless": Reach.FAILS,
        "no-calls": Reach.NOWHERE,
    }
    told = figures([run])
    assert (told.pairs, told.all_pairs, told.attack_success, told.attack_success_all) == (2, 5, 1.0, 0.4)
    assert told.dropped == {"nowhere": 1, "unseen": 1, "fails": 1, "given": 0}


def test_a_run_is_repeatable(tmp_path: Path) -> None:
    plan = Plan(processes=1, encoded=True, seed=7)
    first, again = ran(tmp_path, ANY + CHOSEN, plan), run_world(lambda: Mailroom(tmp_path, WINNABLE), plan)
    assert [_told(pair) for pair in first.pairs] == [_told(pair) for pair in again.pairs]
    assert all(pair.encoding for pair in first.pairs)


def _told(pair: PairRun) -> object:
    trials = [[(call.tool, call.fate, call.rules) for call in trial.calls] for _, trial in pair.trials]
    return pair.attack, pair.encoding, pair.reach, trials


def test_the_folder_is_not_touched_and_a_trace_is_kept_of_what_succeeded(tmp_path: Path) -> None:
    folder, kept = deployment(tmp_path / "project", ANY), tmp_path / "kept"
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    run = run_world(lambda: Mailroom(folder, ("steal",)), Plan(processes=1, keep=kept))
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before
    traces = [Path(trial.trace) for _, trial in run.pairs[0].trials]
    assert len(traces) == 2
    assert all((trace / "log").is_dir() for trace in traces)


def test_a_profile_is_laid_over_the_project(tmp_path: Path) -> None:
    deployment(tmp_path, ANY, profile=CHOSEN)
    told = [
        figures([run_world(lambda: Mailroom(tmp_path, WINNABLE), Plan(processes=1, profile=profile))])
        for profile in ("", "strict")
    ]
    assert [each.attack_success for each in told] == [1.0, 0.0]
    assert forbids_of(tmp_path, "strict") == ("chosen-by-others",)


@pytest.mark.parametrize("plan", [Plan(rules_off=("chosen-by-other",)), Plan(profile="strickt")])
def test_what_a_run_names_has_to_be_there(tmp_path: Path, plan: Plan) -> None:
    deployment(tmp_path, ANY + CHOSEN, profile=NO_MAIL)
    with pytest.raises(UsageError, match=r"chosen-by-other|strickt"):
        run_world(lambda: Mailroom(tmp_path), plan)
