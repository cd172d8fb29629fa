"""What the guard adds to a tool call of an agent, framework by framework."""

from bench.frameworks.overhead import Overhead, as_lines, as_plain, measure

__all__ = ["Overhead", "as_lines", "as_plain", "measure"]
