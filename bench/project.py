"""The project that is measured: a small desk with 2 people, 2 agents, 8 tools and 15 rules, among them gates and rules
over effect groups. More rules come from `extra_rules`, of the same kinds in the same proportions."""

from __future__ import annotations

from pathlib import Path

__all__ = ["BASE_RULES", "DOCUMENT", "PROMPT", "customer", "write_project"]

BASE_RULES = 15


def customer(number: int) -> str:
    """The id of a customer whom the prompt names, for 0 to 99."""
    return f"C-{4700 + number}"


PROMPT = (
    f"Please look up the customers {', '.join(customer(number) for number in range(100))} "
    "and tell bob@northwind.example what their plans are."
)

DOCUMENT = """Article {number}: how to change a plan.
Customers find their plan under Settings, Billing. Ticket {number} of last year, order PO-{number}-77, was closed by
person{number}@partner.example after two days; the page is https://kb.northwind.example/articles/{number}.
A change takes effect with the next invoice. Whoever changes in the middle of a month pays for the days that are left.
"""

_SETTINGS = """
tenant = "northwind"
env = "bench"
[org]
domains = ["northwind.example"]
"""
_COUNTED = "".join(
    f'[budgets.{name}]\ncounts = "{counts}"\nper = "{per}"\nwindow = "{window}"\ntools = ["db.query"]\n{more}\n'
    for name, counts, per, window, more in (
        ("calls_per_minute", "calls", "agent", "1m", "limit = 1000000"),
        ("rows_per_hour", "rows", "user", "1h", "expect = 1\nlimit = 1000000000"),
        ("bytes_per_day", "bytes", "tenant", "24h", "expect = 100\nlimit = 1000000000"),
    )
)

_DIRECTORY = """
[attributes.User]
department = "string"
[groups.support]
[groups.support-leads]
parents = ["support"]
[users.alice]
email = "alice@northwind.example"
groups = ["support"]
level = 2
clearance = "confidential"
department = "support"
[users.bob]
email = "bob@northwind.example"
groups = ["support-leads"]
level = 3
clearance = "confidential"
department = "support"
[classes.support]
[classes.research]
[agents.desk-bot]
classes = ["support"]
owner = "bob"
clearance = "confidential"
[agents.researcher]
classes = ["research"]
owner = "bob"
clearance = "internal"
"""

# `crm.get_customer_synced` is `crm.get_customer` but for its durability: the two differ by the fsync alone.
_CATALOG = """
[tools."crm.get_customer"]
effects = ["read"]
resource = "crm/customers/{id}"
zones = ["crm"]
args.id = { type = "string", role = "selector" }
output = { sensitivity = "confidential", categories = ["pii"], untrusted = ["notes"], endorses = { email = "target" } }

[tools."crm.get_customer_synced"]
effects = ["read"]
resource = "crm/customers/{id}"
zones = ["crm"]
args.id = { type = "string", role = "selector" }
durability = "sync"
output = { sensitivity = "confidential", categories = ["pii"], untrusted = ["notes"], endorses = { email = "target" } }

[tools."crm.update_customer"]
effects = ["write"]
resource = "crm/customers/{id}"
zones = ["crm"]
sink = "internal"
args.id = { type = "string", role = "selector" }
args.notes = { type = "string", role = "content" }
change = { count = 1, reversible = false }

[tools."db.query"]
effects = ["read"]
resource = "db/desk"
zones = ["db"]
args.sql = { type = "sql", dialect = "sqlite", role = "command" }
output = { sensitivity = "confidential" }

[tools."kb.search"]
effects = ["read"]
resource = "kb/articles"
zones = ["kb"]
args.query = { type = "string", role = "query" }

[tools."mail.draft"]
effects = ["draft"]
sink = "internal"
args.to = { type = "email[]", role = "target" }
args.subject = { type = "string", role = "content" }
args.body = { type = "string", role = "content" }

[tools."mail.send"]
effects = ["send"]
sink = "external"
args.to = { type = "email[]", role = "target", recipients = true }
args.subject = { type = "string", role = "content" }
args.body = { type = "string", role = "content" }

[tools."bank.transfer"]
effects = ["pay"]
resource = ["bank/accounts/{from}", "bank/payees/{iban}"]
zones = ["bank"]
args.from = { type = "string", role = "selector" }
args.iban = { type = "string", role = "target" }
args.amount = { type = "money", role = "value", currency = "EUR" }
pay = { payee = "iban", amount = "amount" }
"""

_RULES = """
@id("support-agents")
permit (principal in AgentClass::"support",
        action in [Action::"crm.get_customer", Action::"crm.get_customer_synced", Action::"db.query",
                   Action::"kb.search", Action::"mail.draft", Action::"mail.send"],
        resource);

@id("support-agents-update")
permit (principal in AgentClass::"support", action == Action::"crm.update_customer", resource in Zone::"crm");

@id("research-agents")
permit (principal in AgentClass::"research", action in [Action::"kb.search", Action::"mail.draft"], resource);

@id("support-staff")
permit (principal in Group::"support",
        action in [Action::"crm.get_customer", Action::"crm.get_customer_synced", Action::"crm.update_customer",
                   Action::"db.query", Action::"kb.search", Action::"mail.draft", Action::"mail.send"],
        resource);

@id("leads-pay")
permit (principal in Group::"support-leads", action == Action::"bank.transfer", resource);

@id("select-only")
forbid (principal, action == Action::"db.query", resource)
unless { context.args.sql.statements == 1 && context.args.sql.read_only };

@id("desk-tables-only")
forbid (principal, action == Action::"db.query", resource)
unless { ["customers", "tickets"].containsAll(context.args.sql.tables) && !context.args.sql.tables.isEmpty() };

@id("external-mail") @gate("approval") @approvers("Group::support-leads") @quorum("1")
@reason("Mail to people outside the company needs a support lead.")
forbid (principal, action in Action::"send", resource)
when { context.flow.recipients_external }
unless { context.approved.contains("external-mail") };

@id("chosen-by-others") @gate("approval") @approvers("Group::support-leads") @quorum("1")
@reason("Somebody else's text chose where this goes.")
forbid (principal, action in Action::"consequential", resource)
when { context.flow.tainted && !context.flow.unendorsed.isEmpty() }
unless { context.approved.contains("chosen-by-others") };

@id("confirm-large-payments") @gate("confirm")
@reason("Please confirm payments above 1000.")
forbid (principal, action in Action::"pay", resource)
when { context.pay.amount_minor > 100000 }
unless { context.approved.contains("confirm-large-payments") };

@id("no-restricted-out")
forbid (principal, action in Action::"send", resource)
when { context.flow.sensitivity >= 3 && context.flow.recipients_outside_readers };

@id("nothing-opaque-out")
forbid (principal, action in Action::"send", resource)
when { context.flow.opaque && context.flow.recipients_external };

@id("clearance")
forbid (principal is User, action in [Action::"crm.get_customer", Action::"crm.get_customer_synced"], resource)
unless { principal.clearance >= 2 };

@id("own-department")
forbid (principal is User, action == Action::"crm.update_customer", resource)
unless { principal.department == "support" };

@id("agents-do-not-pay")
forbid (principal is Agent, action in Action::"pay", resource);
"""

_EXTRA = (
    """
@id("extra-{number}")
permit (principal in AgentClass::"research", action == Action::"kb.search", resource == Resource::"kb/articles");
""",
    """
@id("extra-{number}")
permit (principal == User::"bob", action == Action::"crm.update_customer", resource in Zone::"crm");
""",
    """
@id("extra-{number}")
forbid (principal, action == Action::"db.query", resource)
when { context.args.sql.statements > {number} };
""",
    """
@id("extra-{number}")
forbid (principal, action in Action::"pay", resource)
when { context.pay.amount_minor > {number}000000 && context.pay.currency == "EUR" };
""",
    """
@id("extra-{number}")
forbid (principal == Agent::"researcher", action in Action::"consequential", resource)
when { context.flow.sensitivity >= 1 };
""",
)


def write_project(folder: Path, *, rules: int = BASE_RULES, budgets: bool = False) -> Path:
    """Write the project folder with so many rules (at least BASE_RULES), and with three budgets that count every SQL
    query. → the folder."""
    for name in ("tools", "policies"):
        (folder / name).mkdir(parents=True)
    (folder / "bailiwick.toml").write_text(_SETTINGS + (_COUNTED if budgets else ""), encoding="utf-8")
    (folder / "directory.toml").write_text(_DIRECTORY, encoding="utf-8")
    (folder / "tools" / "desk.toml").write_text(_CATALOG, encoding="utf-8")
    (folder / "policies" / "desk.cedar").write_text(_RULES, encoding="utf-8")
    more = (_EXTRA[number % len(_EXTRA)].replace("{number}", str(number)) for number in range(rules - BASE_RULES))
    (folder / "policies" / "more.cedar").write_text("".join(more), encoding="utf-8")
    return folder
