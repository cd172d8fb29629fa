"""Policy tests as data: what is expected of a project's rules, run through the planes, measured and mutated.

`tests/*.toml` of a project name principals, calls and contexts, and what is to become of them; a cell of a matrix that
nobody lists is expected to be denied. DESIGN §4 *tests*.
"""

from bailiwick.testing.coverage import Coverage, measure
from bailiwick.testing.expected import Case, TestFile
from bailiwick.testing.junit import junit
from bailiwick.testing.load import load_tests
from bailiwick.testing.mutation import Mutation, mutate
from bailiwick.testing.run import Ran, run
from bailiwick.testing.types import TypeBroken, check_type

__all__ = [
    "Case",
    "Coverage",
    "Mutation",
    "Ran",
    "TestFile",
    "TypeBroken",
    "check_type",
    "junit",
    "load_tests",
    "measure",
    "mutate",
    "run",
]
