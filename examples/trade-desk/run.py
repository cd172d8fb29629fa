"""The trade that nobody made: an agent is asked by a stranger's mail to confirm it. Stopped, explained, provable.

    pip install 'bailiwick[openai-agents]' aiosmtpd
    python examples/trade-desk/run.py

It works on a copy of this folder and leaves it behind, to be looked at. No network, no key: the model is scripted
(`trading/model.py`) and obeys whatever it reads.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import mailbox
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from agents import Agent, Runner, RunResult, RunState, set_tracing_disabled  # noqa: E402
from aiosmtpd.controller import Controller  # noqa: E402
from aiosmtpd.handlers import Mailbox  # noqa: E402

from bailiwick import Guard  # noqa: E402
from trading.book import Desk, open_desk  # noqa: E402
from trading.model import ObedientModel  # noqa: E402
from trading.team import INSTRUCTIONS, build_team  # noqa: E402

AGENT, TASK = "desk-assistant", "Answer the desk's mail"
LOOK_AT_IT = 'Please look at mail M-31 and take care of it.\nCall read_mail with {"id": "M-31"}'
CONFIRM = """\
Please send Brightwater the confirmation of trade T-7781.
Call transfer_to_confirmer with {}
Call get_trade with {"number": "T-7781"}
Call get_counterparty with {"id": "C-19"}
Call send_confirmation with {"trade": "T-7781", "to": ["backoffice@brightwater.example"], "side": "buy",
"instrument": "NORDHAV", "quantity": 1200, "price": "41.20"}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, help="a new folder to work in; default: one under the system's own")
    parser.add_argument(
        "--resume", metavar="PORT", type=int, help=argparse.SUPPRESS
    )  # what this program runs itself as
    given = parser.parse_args()
    set_tracing_disabled(disabled=True)
    if given.resume is not None:
        resume(given.dir, given.resume)
        return
    folder = given.dir or Path(mkdtemp(prefix="trade-desk-"))
    shutil.copytree(HERE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".bailiwick", "__pycache__"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(Mailbox(folder / "sent"), hostname="127.0.0.1", port=port)
    server.start()
    try:
        story(folder, port)
    finally:
        server.stop()


def story(folder: Path, port: int) -> None:
    print("1. A mail asks for the confirmation of a trade that nobody made\n")
    refused, session = run(folder, port, user="mara", said=LOOK_AT_IT)
    print(f"   The agent obeys the mail, and is told:\n   {refused.final_output}")
    sent(folder)

    print("2. Why, and what led to it\n")
    event = str(refused.final_output).rpartition("[")[2].rstrip("]")
    command(folder, "audit", "why", event, "--as", "ines", "--reveal")

    print("3. Somebody who may not bind the house asks for the confirmation of a real trade\n")
    other, _ = run(folder, port, user="tom", said=CONFIRM)
    print(f"   {other.final_output}")
    sent(folder)

    print("4. The trader asks for it: the run waits for supervision, and goes on in another process\n")
    waits, _ = run(folder, port, user="mara", said=CONFIRM, conversation="mara-1")
    (folder / "waits.json").write_text(waits.to_state().to_string(), encoding="utf-8")
    (asked,) = json.loads(command(folder, "approvals", "list", "--as", "ines", "--json", quiet=True))
    print(f"   It waits: {[call.name for call in waits.interruptions]}")
    command(folder, "approvals", "approve", asked["id"], "--as", "ines")
    again = [sys.executable, str(Path(__file__)), "--dir", str(folder), "--resume", str(port)]
    subprocess.run(again, check=True)
    sent(folder)

    print("5. Provable: the record is whole, and one file proves the first session to others\n")
    command(folder, "audit", "verify", str(folder), at=None)
    case = folder / "case.zip"
    command(folder, "audit", "case", session, "--as", "ines", "--reveal", "--out", str(case))
    key = json.loads(command(folder, "audit", "keys", str(folder), "--json", quiet=True, at=None))["keys"][0]
    print("   $ bailiwick-verify case.zip --key ...   # one file of Python: no bailiwick where it is checked")
    check = [sys.executable, "-m", "bailiwick_verify", str(case), "--key", key]
    show(subprocess.run(check, capture_output=True, text=True, check=True).stdout)
    print(f"All of it lies in {folder}")


def run(folder: Path, port: int, *, user: str, said: str, conversation: str | None = None) -> tuple[RunResult, str]:
    """One run of the team for somebody. → what came of it, and the session's id."""
    with Guard.open(folder) as guard:
        team = guard.openai_agents(build_team(desk(folder, port), ObedientModel()), instructions=INSTRUCTIONS)
        with guard.session(user=user, agent=AGENT, task=TASK, conversation=conversation) as session:
            session.prompt(said)
            return Runner.run_sync(team, said), session.id


def resume(folder: Path, port: int) -> None:
    """Go on with the run that waited. What the SDK kept of it is a wake-up: bailiwick looks its own approval up."""
    with Guard.open(folder) as guard:
        team = guard.openai_agents(build_team(desk(folder, port), ObedientModel()), instructions=INSTRUCTIONS)
        with guard.session(user="mara", agent=AGENT, task=TASK, conversation="mara-1"):
            print(f"   {asyncio.run(_resumed(team, (folder / 'waits.json').read_text('utf-8')))}")


async def _resumed(team: Agent, kept: str) -> str:
    state: RunState = await RunState.from_string(team, kept)
    for call in state.get_interruptions():
        state.approve(call)
    return str((await Runner.run(team, state)).final_output)


def desk(folder: Path, port: int) -> Desk:
    return open_desk(folder / "book.db", ("127.0.0.1", port))


def sent(folder: Path) -> None:
    print(f"   Mails that left the house: {len(list(mailbox.Maildir(folder / 'sent')))}\n")


def command(folder: Path, *args: str, quiet: bool = False, at: str | None = "--dir") -> str:
    """Run a command of bailiwick's, show what it prints."""
    where = [at, str(folder)] if at else []
    ran = subprocess.run([sys.executable, "-m", "bailiwick", *args, *where], capture_output=True, text=True, check=True)
    if not quiet:
        print(f"   $ bailiwick {' '.join(args)}")
        show(ran.stdout)
    return ran.stdout


def show(text: str) -> None:
    print("".join(f"   {line}\n" for line in text.splitlines()))


if __name__ == "__main__":
    main()
