"""What Python code may name and still be harmless: kinds of nodes, builtins, members of modules.

INVARIANT: nothing here reads or writes a file, opens a connection, runs a program, or hands out the interpreter's own
objects (frames, modules, code); no member is a module; none reads or sets attributes by a name that the code computes,
or makes classes with such names (so no enum, no `field`, no TypedDict, and `type` only to look at).
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "DECORATORS",
    "DYNAMIC_MODULES",
    "HARMFUL_BUILTINS",
    "HARMLESS_BUILTINS",
    "INNER_ATTRIBUTES",
    "INNER_PREFIXES",
    "MODULES",
    "NODES",
    "OUTSIDE_MODULES",
    "PLAIN_ATTRIBUTES",
    "READING_MODES",
]

NODES = frozenset(
    # Not MatchClass: its keywords read attributes by name, and `__match_args__` may name any.
    """
    Module Expr Assign AugAssign AnnAssign Delete Return Pass Break Continue If For While With withitem Try TryStar
    ExceptHandler Raise Assert FunctionDef AsyncFunctionDef AsyncFor AsyncWith Await ClassDef Global Nonlocal Import
    ImportFrom alias Match match_case MatchValue MatchSingleton MatchSequence MatchMapping MatchStar MatchAs
    MatchOr Name Load Store Del Constant Attribute Subscript Slice Starred Tuple List Dict Set Call keyword BoolOp And
    Or NamedExpr BinOp UnaryOp Lambda IfExp ListComp SetComp DictComp GeneratorExp comprehension Yield YieldFrom Compare
    JoinedStr FormattedValue Add Sub Mult MatMult Div Mod Pow LShift RShift BitOr BitXor BitAnd FloorDiv Invert Not UAdd
    USub Eq NotEq Lt LtE Gt GtE Is IsNot In NotIn arguments arg
    """.split()
)

HARMLESS_BUILTINS = frozenset(
    """
    abs all any ascii bin bool bytearray bytes callable chr complex dict divmod enumerate filter float format frozenset
    hash hex id int isinstance issubclass iter len list map max min next object oct ord pow print range repr reversed
    round set slice sorted str sum tuple zip type super property staticmethod classmethod NotImplemented Ellipsis
    BaseException Exception ArithmeticError AssertionError AttributeError EOFError FileNotFoundError IndexError KeyError
    KeyboardInterrupt LookupError NameError NotImplementedError OSError OverflowError PermissionError RecursionError
    RuntimeError StopIteration StopAsyncIteration SystemExit TimeoutError TypeError UnicodeDecodeError
    UnicodeEncodeError UnicodeError ValueError ZeroDivisionError Warning DeprecationWarning UserWarning
    """.split()
)

HARMFUL_BUILTINS = frozenset(
    """
    eval exec compile open getattr setattr delattr vars globals locals breakpoint help exit quit copyright credits
    license execfile reload get_ipython
    """.split()
)
"""Nobody may bind these names either: what is bound in one place is the builtin in all others."""

READING_MODES = frozenset({"r", "rt", "tr", "rb", "br"})

INNER_PREFIXES = ("_", "gi_", "cr_", "ag_", "f_", "tb_", "co_", "func_")
"""Attributes that lead into the interpreter, or that their owner calls private."""
INNER_ATTRIBUTES = frozenset({"mro", "format_exc", "with_traceback", "obj", "register", "_evaluate"})
PLAIN_ATTRIBUTES = frozenset({"__init__", "__name__", "_asdict", "_replace", "_make"})
"""Attributes with one of these prefixes that lead nowhere."""

DYNAMIC_MODULES = frozenset(
    """
    os posix nt sys subprocess importlib imp builtins ctypes cffi pickle _pickle cPickle cloudpickle dill shelve marshal
    copyreg runpy code codeop codecs inspect gc types operator multiprocessing concurrent threading _thread signal pty
    pdb bdb trace timeit profile cProfile platform shutil zipimport zipapp site sysconfig pkgutil pkg_resources dis ast
    symtable tokenize weakref atexit faulthandler traceback linecache warnings logging unittest doctest webbrowser
    antigravity turtle idlelib ensurepip venv pip setuptools distutils asyncio sched mmap resource fcntl jinja2 yaml
    joblib torch numpy numba cython pandas
    """.split()
)
"""Modules that can run what is not in the code: programs, texts, loaded objects."""

OUTSIDE_MODULES = frozenset(
    """
    socket ssl select http http.client http.cookies urllib urllib.request urllib.parse urllib.error requests httpx
    smtplib poplib imaplib ftplib email email.message email.mime.text pathlib glob fnmatch tempfile gzip bz2 lzma
    zipfile tarfile html xml xml.etree xml.etree.ElementTree configparser tomllib filecmp
    """.split()
)
"""Modules that reach files or the network, and by their own names run nothing. Every other one may run anything."""

DECORATORS = frozenset({("dataclasses", "dataclass")})
"""Members that stand before a class and nowhere else: they make code from the names of attributes, which are plain
names only where a class statement wrote them."""

_MODULES_TEXT = """
math: acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees dist e erf erfc exp exp2 expm1
math: fabs
math: factorial floor fmod frexp fsum gamma gcd hypot inf isclose isfinite isinf isnan isqrt lcm ldexp lgamma log log10
math: log1p log2 modf nan nextafter perm pi pow prod radians remainder sin sinh sqrt tan tanh tau trunc ulp sumprod
cmath: acos asin atan cos e exp inf infj isclose isfinite isinf isnan log log10 nan phase pi polar rect sin sqrt tan tau
statistics: mean fmean geometric_mean harmonic_mean median median_low median_high median_grouped mode multimode pstdev
statistics: pvariance stdev variance covariance correlation linear_regression quantiles NormalDist StatisticsError
decimal: Decimal Context getcontext localcontext setcontext ROUND_HALF_UP ROUND_HALF_EVEN ROUND_DOWN ROUND_UP
decimal: ROUND_CEILING ROUND_FLOOR ROUND_HALF_DOWN InvalidOperation DivisionByZero DecimalException
fractions: Fraction
random: random randint randrange choice choices shuffle sample uniform gauss normalvariate seed triangular Random
random: betavariate expovariate gammavariate lognormvariate getrandbits
itertools: accumulate chain combinations combinations_with_replacement compress count cycle dropwhile filterfalse
itertools: groupby
itertools: islice pairwise permutations product repeat starmap takewhile tee zip_longest batched
functools: reduce partial lru_cache cache cmp_to_key total_ordering
collections: Counter OrderedDict defaultdict deque ChainMap namedtuple
heapq: heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest
bisect: bisect bisect_left bisect_right insort insort_left insort_right
re: compile match search fullmatch findall finditer sub subn split escape I IGNORECASE M MULTILINE S DOTALL X VERBOSE A
re: ASCII Pattern Match error
json: dumps loads dump load JSONDecodeError
datetime: date time datetime timedelta timezone tzinfo MINYEAR MAXYEAR UTC
calendar: monthrange isleap leapdays weekday monthcalendar month_name month_abbr day_name day_abbr
time: time monotonic perf_counter process_time sleep strftime strptime gmtime localtime mktime
string: ascii_letters ascii_lowercase ascii_uppercase digits hexdigits octdigits punctuation whitespace printable
string: capwords
textwrap: wrap fill dedent indent shorten
unicodedata: normalize category name lookup combining
hashlib: md5 sha1 sha224 sha256 sha384 sha512 sha3_256 sha3_512 blake2b blake2s
hmac: compare_digest
base64: b64encode b64decode urlsafe_b64encode urlsafe_b64decode b32encode b32decode b16encode b16decode
binascii: hexlify unhexlify crc32
zlib: compress decompress crc32 adler32
csv: reader writer DictReader DictWriter QUOTE_ALL QUOTE_MINIMAL QUOTE_NONE QUOTE_NONNUMERIC Error
io: StringIO BytesIO
copy: copy deepcopy
dataclasses: dataclass asdict astuple replace
typing: Any Optional Union List Dict Set Tuple Iterable Iterator Callable Sequence Mapping NamedTuple Literal
uuid: uuid4 uuid5 UUID NAMESPACE_DNS NAMESPACE_URL
secrets: token_hex token_urlsafe token_bytes choice randbelow
abc: ABC abstractmethod
numbers: Number Real Integral Rational Complex
difflib: unified_diff ndiff get_close_matches SequenceMatcher
pprint: pprint pformat
__future__: annotations division print_function
"""


def _modules() -> Mapping[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for line in _MODULES_TEXT.strip().splitlines():
        name, _, members = line.partition(": ")
        found[name] = found.get(name, frozenset()) | frozenset(members.split())
    return found


MODULES = _modules()
