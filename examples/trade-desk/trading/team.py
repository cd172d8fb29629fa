"""The desk's two agents, in the OpenAI Agents SDK: one reads the mail, the other sends trade confirmations."""

from __future__ import annotations

from agents import Agent, Model, function_tool

from trading.book import Desk

__all__ = ["INSTRUCTIONS", "build_team"]

ASSISTANT = "You assist the equities desk of Halden & Co: read its mail, and hand confirmations to the confirmer."
CONFIRMER = "You send trade confirmations. Look up the trade and the counterparty first."
INSTRUCTIONS = (ASSISTANT, CONFIRMER)


def build_team(desk: Desk, model: Model) -> Agent:
    """The agent that the desk talks to. It hands the conversation on to the one that confirms."""

    @function_tool
    def read_mail(id: str) -> dict[str, str]:  # noqa: A002
        """Read a mail of the desk's inbox."""
        return desk.row("inbox", "id", id)

    @function_tool
    def get_trade(number: str) -> dict[str, str | int]:
        """Look up a trade in the order book."""
        return desk.row("trades", "number", number)

    @function_tool
    def get_counterparty(id: str) -> dict[str, str]:  # noqa: A002
        """Look up a counterparty."""
        return desk.row("parties", "id", id)

    @function_tool
    def send_confirmation(trade: str, to: list[str], side: str, instrument: str, quantity: int, price: str) -> str:
        """Confirm a trade to a counterparty. It binds the house."""
        words = f"We confirm trade {trade}: you {side} {quantity} {instrument} at {price} EUR."
        desk.send(to, f"Trade confirmation {trade}", words)
        return f"confirmed {trade} to {', '.join(to)}"

    confirmer = Agent(
        name="confirmer",
        instructions=CONFIRMER,
        model=model,
        tools=[get_trade, get_counterparty, send_confirmation],
    )
    return Agent(
        name="desk-assistant",
        instructions=ASSISTANT,
        model=model,
        tools=[read_mail, get_trade],
        handoffs=[confirmer],
    )
