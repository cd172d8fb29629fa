"""bailiwick.toml: every setting with its default and its meaning, read and checked in one place.

`SETTINGS` is the whole list; `docs/settings.md` is generated from it. An unknown key is refused with the one that was
probably meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bailiwick.audit.witness_settings import WitnessRules
from bailiwick.errors import Finding, ProjectError, Where
from bailiwick.guard.planes import BundleRules, Settings
from bailiwick.identity.accounts import ConsoleRules
from bailiwick.model.circumstances import WorkingHours
from bailiwick.model.nearest import did_you_mean
from bailiwick.model.toml_entries import Problems
from bailiwick.model.toml_lines import TomlText
from bailiwick.policy import Vocabulary
from bailiwick.project import setting_values as read
from bailiwick.project.audit_settings import AUDIT_SETTINGS, log_origin, witness_rules
from bailiwick.project.label_settings import read_label_settings
from bailiwick.project.sections import SECTIONS
from bailiwick.project.setting import Setting

__all__ = ["SETTINGS", "ProjectSettings", "Setting", "read_settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSettings:
    """bailiwick.toml as values. `state_path` is relative to the project folder; `sections` are what the tables of
    `SECTIONS` declare, by their key."""

    decisions: Settings
    domains: frozenset[str]
    mailboxes: frozenset[str]
    state_path: str
    vocabulary: Vocabulary
    console: ConsoleRules
    sections: Mapping[str, Any]
    witnessing: WitnessRules
    log_origin: str
    retention_ms: int
    disk_budget: int
    """Bytes that the logs may take; 0: no limit."""


SETTINGS: tuple[Setting, ...] = (
    Setting(
        key="tenant",
        default="default",
        meaning="Whose data this is. Part of every stored key; one Guard serves one tenant.",
        check=read.name,
    ),
    Setting(
        key="env",
        default="dev",
        meaning="Which environment this is (dev, staging, prod ...). Part of every stored key.",
        check=read.name,
    ),
    Setting(
        key="org.domains",
        default=[],
        meaning="Mail domains of the organisation. Every other domain is external; the empty list makes all external.",
        check=read.domains,
    ),
    Setting(
        key="org.mailboxes",
        default=[],
        meaning="Addresses in these domains that are no user's: lists, functions. Others are `unknown` to rules.",
        check=read.mailboxes,
    ),
    Setting(
        key="labels.levels",
        default=["public", "internal", "confidential", "restricted"],
        meaning="Sensitivity levels, least first. Policies compare their numbers, counted from 0.",
        check=read.levels,
    ),
    Setting(
        key="labels.categories",
        default=["pii", "phi", "pci", "mnpi", "secret"],
        meaning="Categories that labels may carry.",
        check=read.categories,
    ),
    Setting(
        key="labels.strict",
        default=["restricted", "phi", "mnpi", "secret"],
        meaning="Levels and categories that count for every later call once they were seen: such content cannot leave "
        "in other words. A level stands for those above it too. All else counts where evidence finds it; "
        '`["public"]`: all is strict. Where the project has other levels or categories, the default is the highest '
        "level and what there is of these categories.",
        check=read.strict,
    ),
    Setting(
        key="labels.free_text",
        default=1000,
        meaning="So many characters that the user did not say may leave in one call before it counts as all that was "
        "seen. What is not strict can leave in other words up to this length; 0 lets nothing pass by its length.",
        check=read.characters,
    ),
    Setting(
        key="labels.background",
        default=["*.txt", "*.md"],
        meaning="Which files in `background/` say what all may know (templates, notices, what is published): what "
        "stands there is evidence of nothing. At most 4 MB together.",
        check=read.patterns,
    ),
    Setting(
        key="labels.default",
        default="",
        meaning="The level of documents and records that should carry a label and carry none. Empty: the highest, and "
        "readable by nobody.",
        check=read.level,
    ),
    Setting(
        key="labels.names",
        default={},
        meaning="What other systems' names for labels mean: a level, a category or a list of them, by name. Of "
        "Microsoft Purview's labels the name or the id, with `/` or a backslash after a parent's name. Names that are "
        "not here mean the highest level.",
        check=read.label_names,
    ),
    Setting(
        key="approvals.ttl",
        default="15m",
        meaning="How long a request for approval, and the approval itself, is good for.",
        check=read.duration,
    ),
    Setting(
        key="approvals.longest",
        default="1d",
        meaning="The longest that a gate's own `@ttl` can make a request good for; what is longer is cut to this.",
        check=read.duration,
    ),
    Setting(
        key="approvals.proof",
        default="claimed",
        meaning="How it must be known who answers, at least: `claimed` (somebody with access to this machine), `oidc`, "
        "`passkey` (a login) or `signed` (a passkey over each answer).",
        check=read.proof,
    ),
    Setting(
        key="approvals.readers",
        default=[],
        meaning="Who may read a card whose data has no reader in common: data meant for different people, or text that "
        "nobody vouches for. They need the clearance as well. Without any, such a call is denied: nobody may be asked.",
        check=read.readers,
    ),
    Setting(
        key="approvals.open_limit",
        default=20,
        meaning="So many requests of one session may wait at once; a call that would add one more is denied.",
        check=read.number,
    ),
    Setting(
        key="approvals.standing_ttl",
        default="8h",
        meaning="The longest that a standing grant can be good for.",
        check=read.duration,
    ),
    Setting(
        key="approvals.standing_count",
        default=20,
        meaning="The most calls that a standing grant can be for.",
        check=read.number,
    ),
    Setting(
        key="approvals.check_rate",
        default=0.0,
        meaning="In so many of all looks at the list of requests (from 0 to 1) one is planted that should be denied, "
        "to see whether people read what they approve. It never runs.",
        check=read.fraction,
    ),
    Setting(
        key="permits.ttl",
        default="30s",
        meaning="How long a permit may wait for its tool to be started.",
        check=read.duration,
    ),
    Setting(
        key="hours.days",
        default=[],
        meaning="Working days. Without any it is never working time, and `context.hours.working` is false.",
        check=read.days,
    ),
    Setting(
        key="hours.begin",
        default="09:00",
        meaning="When work begins. Later than the end: over midnight, counted to the day on which it began.",
        check=read.time_of_day,
    ),
    Setting(
        key="hours.end",
        default="17:00",
        meaning="When it ends; this minute is free time already.",
        check=read.time_of_day,
    ),
    Setting(
        key="hours.timezone",
        default="UTC",
        meaning="The time zone of the working hours.",
        check=read.timezone,
    ),
    Setting(
        key="policies.mode",
        default="enforce",
        meaning="`observe`: what the rules would deny is recorded and passes, loudly. Everything else still denies.",
        check=read.mode,
    ),
    Setting(
        key="bundles.required",
        default=False,
        meaning="Decide by an activated bundle alone: without one nothing runs from the folder's files.",
        check=read.switch,
    ),
    Setting(
        key="bundles.signatures",
        default=1,
        meaning="So many people have to sign a bundle before it can be activated, its author among them.",
        check=read.people,
    ),
    Setting(
        key="bundles.separation",
        default=False,
        meaning="Somebody other than its author has to sign a bundle too: nobody activates alone what they wrote.",
        check=read.switch,
    ),
    Setting(
        key="plans.approvers",
        default=[],
        meaning="Users who may sign plans for others. Everybody may sign their own.",
        check=read.users,
    ),
    Setting(
        key="console.url",
        default="http://localhost:8420",
        meaning="Where people open the console. Passkeys are bound to its host: those enrolled under another one are "
        "useless. `http` is for `localhost` alone.",
        check=read.console,
    ),
    Setting(
        key="console.idle",
        default="15m",
        meaning="A login that nobody uses is over after this time.",
        check=read.duration,
    ),
    Setting(
        key="console.session",
        default="8h",
        meaning="A login is over after this time in any case.",
        check=read.duration,
    ),
    Setting(
        key="console.invitation",
        default="24h",
        meaning="How long somebody has to enrol a passkey after `bailiwick accounts invite`.",
        check=read.duration,
    ),
    Setting(
        key="stores.path",
        default=".bailiwick",
        meaning="Folder for state and audit logs. Keep governed tools away from it.",
        check=read.path,
    ),
    *AUDIT_SETTINGS,
)


def read_settings(path: str, text: str) -> ProjectSettings:
    """Parse bailiwick.toml. Raises ProjectError with every finding."""
    toml = TomlText.parse(path, text)
    findings: list[Finding] = []
    values = {setting.key: setting.check(setting.default)[0] for setting in SETTINGS}
    problems = Problems(text=toml, found=findings)
    sections = {section.key: section.parse(problems) for section in SECTIONS}
    known = {setting.key: setting for setting in SETTINGS}
    for key, value in _flat({key: value for key, value in toml.data.items() if key not in sections}).items():
        where = toml.where(*key.split("."))
        if key not in known:
            findings.append(_unknown(key, where))
            continue
        checked, wrong = known[key].check(value)
        if wrong:
            findings.append(
                Finding(
                    rule="setting-value",
                    message=f"setting {key!r} {wrong}, not {value!r}",
                    where=where,
                    hint=f"the default is {known[key].default!r}",
                )
            )
        values[key] = checked
    labels = read_label_settings(values, lambda key: toml.where(*key.split(".")), findings)
    witnessing = witness_rules(values, sections["witnesses"], lambda key: toml.where(*key.split(".")), findings)
    if findings:
        raise ProjectError(findings)
    return ProjectSettings(
        decisions=Settings(
            tenant=values["tenant"],
            env=values["env"],
            levels=values["labels.levels"],
            categories=values["labels.categories"],
            strictness=labels.strictness,
            free_text=labels.free_text,
            label_names=labels.names,
            background=values["labels.background"],
            unlabelled=labels.unlabelled,
            approval_ttl_ms=values["approvals.ttl"],
            approval_proof=values["approvals.proof"],
            approval_readers=values["approvals.readers"],
            approval_longest_ms=values["approvals.longest"],
            approval_open_limit=values["approvals.open_limit"],
            standing_ttl_ms=values["approvals.standing_ttl"],
            standing_count=values["approvals.standing_count"],
            check_rate=values["approvals.check_rate"],
            permit_ttl_ms=values["permits.ttl"],
            mode=values["policies.mode"],
            environment=sections["environment"],
            facts=sections["facts"],
            budgets=sections["budgets"],
            oidc=sections["oidc"],
            plan_approvers=values["plans.approvers"],
            bundles=BundleRules(
                required=values["bundles.required"],
                signatures=values["bundles.signatures"],
                separation=values["bundles.separation"],
            ),
        ),
        vocabulary=Vocabulary(
            levels=values["labels.levels"],
            categories=values["labels.categories"],
            environment=sections["environment"],
            facts=sections["facts"],
            budgets=sections["budgets"],
            hours=_hours(values),
        ),
        sections=MappingProxyType(sections),
        console=ConsoleRules(
            url=values["console.url"],
            idle_ms=values["console.idle"],
            session_ms=values["console.session"],
            invitation_ms=values["console.invitation"],
        ),
        domains=values["org.domains"],
        mailboxes=values["org.mailboxes"],
        state_path=values["stores.path"],
        witnessing=witnessing,
        log_origin=log_origin(values),
        retention_ms=values["audit.retention"],
        disk_budget=values["audit.disk_budget"] * 1_000_000,
    )


def _hours(values: Mapping[str, Any]) -> WorkingHours | None:
    days = values["hours.days"]
    if not days:
        return None
    return WorkingHours(zone=values["hours.timezone"], days=days, begin=values["hours.begin"], end=values["hours.end"])


def _flat(data: Mapping[str, object]) -> dict[str, object]:
    flat: dict[str, object] = {}
    tables = {setting.key.partition(".")[0] for setting in SETTINGS if "." in setting.key}
    for key, value in data.items():
        # An empty table that is no table of ours is kept, to be refused: nothing that is written is ignored.
        if isinstance(value, dict) and (value or key in tables):
            flat.update({f"{key}.{inner}": item for inner, item in value.items()})
        else:
            flat[key] = value
    return flat


def _unknown(key: str, where: Where) -> Finding:
    names = [*(setting.key for setting in SETTINGS), *(section.key for section in SECTIONS)]
    hint = did_you_mean(key, names, f"settings are: {', '.join(names)}")
    return Finding(rule="unknown-setting", message=f"there is no setting {key!r}", where=where, hint=hint)
