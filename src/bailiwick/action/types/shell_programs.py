"""What programs do, as far as their options say: read alone, write, reach out, run others.

INVARIANT: a program or an option that is not in these tables may do anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bailiwick.action.types.shell_words import Word

__all__ = ["ANYTHING_ELSE", "LAUNCHERS", "NO_FILES", "REFUSED", "RESERVED", "Doing", "plain_name", "program_does"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """What a command may do. `runs` says that it may run programs that cannot be seen."""

    writes: bool = True
    network: bool = True
    secrets: bool = True
    runs: bool = False


ANYTHING_ELSE = Doing()
_RUNS = Doing(runs=True)
_READS = Doing(writes=False, network=False, secrets=False)
_READS_ALL = Doing(writes=False, network=False)
_WRITES = Doing(network=False, secrets=False)
_WRITES_ALL = Doing(network=False)

RESERVED = frozenset(
    "if then elif else fi for while until do done case esac select function coproc in time ! { } [[ ]]".split()
) - {"time"}

REFUSED = frozenset(
    """
    alias unalias trap enable hash bind complete compgen compopt mapfile readarray let declare typeset local readonly
    export unset shopt getopts fc history coproc logout suspend caller jobs fg bg disown dirs pushd popd
    ulimit help times
    """.split()
)
"""Builtins that change what later words mean, or run text in ways of their own."""

NO_FILES = frozenset("echo printf true false : pwd sleep exit break continue return basename dirname seq expr".split())
"""Programs whose words are no files that they read."""

# program, its options in the way of getopt (":" takes a value), then long options without dashes.
_READERS_TEXT = """
echo neE
true
false
:
cd LP
pwd LP
sleep
exit
return
break
continue
wait
umask S
type aptP
which as
basename asz: multiple suffix zero
dirname z zero
seq f:s:w format separator equal-width
expr
cat AbeEnstTuv number number-nonblank show-all show-ends squeeze-blank
head n:c:qvz lines bytes quiet silent verbose
tail n:c:qvzfFs: lines bytes quiet follow retry sleep-interval
wc clLmw lines words bytes chars max-line-length
ls aAlhrtSR1dFiGgnopQsUvXxcuCmLHkNqw:I:Z all almost-all recursive reverse human-readable color sort time size directory
cut b:c:d:f:ns bytes characters fields delimiter complement only-delimited output-delimiter
tr cCdst delete squeeze-repeats complement
nl b:d:f:h:i:l:n:ps:v:w:
rev
tac
realpath emLPqsz canonicalize-existing relative-to relative-base
readlink femnqsvz canonicalize
stat c:fLt format printf terse dereference file-system
file bikhLNps brief mime mime-type mime-encoding
du abcd:hHkLmPsSxt: all apparent-size human-readable max-depth summarize total
df ahHiklPTt:x: all human-readable inodes local type total
cmp bi:ln:s bytes ignore-initial print-bytes quiet silent verbose
diff abBcdeEinNpqrsTtuU:wWy brief unified ignore-all-space recursive color side-by-side
comm 123z check-order nocheck-order output-delimiter total
join 12:a:e:i:j:o:t:v:z
paste d:sz delimiters serial
fold bsw: bytes spaces width
fmt ctusw:
expand it: tabs
column ts:c:Jn:o: table separator json
od A:j:N:S:t:vw:abcdfilosx
hexdump bCcdoxn:s:v
strings an:t:e: all bytes
md5sum bctz check quiet status
sha1sum bctz check quiet status
sha256sum bctz check quiet status
sha512sum bctz check quiet status
cksum
base64 diw: decode ignore-garbage wrap
whoami
id Ggnruz group user name
groups
uname asnrvmpio all kernel-name nodename machine
uptime ps
arch
nproc
tty s
grep EFGPivwxcLloqsnHhbzaUyrRm:A:B:C:e:f:d:D:0123456789 color colour include exclude exclude-dir recursive ignore-case \
count files-with-matches line-number only-matching quiet invert-match regexp fixed-strings extended-regexp \
max-count context after-context before-context with-filename no-filename word-regexp
egrep ivwxcLloqsnHhbarRm:A:B:C:e:f: color include exclude
fgrep ivwxcLloqsnHhbarRm:A:B:C:e:f: color include exclude
sort bdfgiMhnRrVcCmsuzk:t:S: numeric-sort reverse unique key field-separator stable human-numeric-sort version-sort
uniq cdDif:s:uw:z count repeated unique ignore-case
date uRI: utc iso-8601 rfc-3339 universal
ps AaefluxwHo:p:u:
jq rcnsSajeMC raw-output compact-output null-input slurp sort-keys exit-status arg argjson raw-input monochrome-output
"""
_WRITERS_TEXT = """
mkdir pm:v parents mode verbose
touch acmd:r:t: no-create reference date time
cp afiLHnpPrRsTuvdlt: recursive archive force no-clobber preserve verbose update
mv finTuvt: force no-clobber verbose update
rm dfirRvI recursive force verbose interactive dir
rmdir pv parents verbose
ln sfnrTvit: symbolic force relative no-dereference
chmod Rcfv recursive reference
chown Rchfv recursive reference
tee ai append ignore-interrupts
truncate cos:r: size reference no-create
mktemp dqtup: directory tmpdir dry-run
gzip cdfklnrqtv123456789 keep force decompress recursive best fast stdout
gunzip cfklnrqtv keep force stdout
"""


def _table(text: str) -> Mapping[str, tuple[str, frozenset[str]]]:
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for line in text.replace("\\\n", "").strip().splitlines():
        name, *rest = line.split()
        short = rest[0] if rest else ""
        found[name] = (short, frozenset(rest[1:]))
    return found


_READERS = _table(_READERS_TEXT)
_WRITERS = _table(_WRITERS_TEXT)

_NO_OPTION_HARMS = frozenset(_WRITERS) | frozenset(
    """
    echo basename dirname seq cat head tail wc ls cut tr nl rev tac realpath readlink stat du df cmp comm join
    paste fold fmt expand column od hexdump strings md5sum sha1sum sha256sum sha512sum cksum base64 whoami id groups
    uname nproc grep egrep fgrep
    """.split()
)
"""Programs none of whose options makes them do more than these tables say; a word that may be any option harms
nothing."""

LAUNCHERS = frozenset(
    """
    sh bash dash zsh ksh mksh ash fish csh tcsh pwsh rbash source . python pypy perl ruby node nodejs deno bun php
    lua luajit tclsh wish expect guile racket sbcl clisp ghc runghc julia r rscript scala groovy jshell java javac
    irb awk gawk mawk nawk sed ed ex vi vim nvim view emacs nano pico less more most man info make gmake ninja cmake
    rake ant mvn gradle npm npx yarn pnpm pip pipx uv uvx poetry conda gem bundle cargo rustc go gcc g++ cc c++
    clang tcc ld as ld.so ldconfig docker podman nerdctl kubectl helm ssh scp sftp rsync mosh telnet rlogin nc ncat
    netcat socat su runuser pkexec chroot unshare nsenter systemd-run systemctl service crontab at batch script
    screen tmux byobu parallel entr flock strace ltrace gdb lldb valgrind perf dbus-run-session setpriv capsh
    firejail bwrap start-stop-daemon tar cpio zip unzip 7z rar dpkg apt apt-get yum dnf rpm brew snap flatpak git hg
    svn ansible terraform vagrant sqlite sqlite3 psql mysql mongo redis-cli ftp lftp wget curl openssl gpg aws
    gcloud az rustup osascript open watch split install chrt setarch linux32 linux64 i386 taskset numactl prlimit
    fakeroot unbuffer rlwrap sg newgrp login machinectl lxc lxc-attach hush yash posh elvish nu xonsh m4 dc gnuplot
    octave tex latex pdflatex xelatex lualatex pandoc convert magick mail mailx mutt lynx w3m ip stap bpftrace chpst
    daemonize fzf fd fdfind rg ack bat delta tig gh glab jj cvs fossil pre-commit tox nox pytest hatch pdm ipython
    jupyter ts-node tsx corepack mariadb mongosh duckdb xterm konsole gnome-terminal genv gxargs gtimeout gfind
    gnice gnohup gstdbuf gsed gtar ginstall gsplit gsort gtime xdg-open run-parts logrotate dd tcpdump nmap zsh
    sshpass proot pkttyagent watchexec nodemon busybox toybox
    """.split()
)
"""Programs that may run others, or any code, from their words, their input or files beside them."""

_VERSION = re.compile(r"(?<=[a-z])-?[0-9][0-9.]*\Z")
_SED_ARGS = frozenset("-n -E -r -s -u -z -nE -En".split())
_SED_SCRIPT = re.compile(r"(?:[0-9$]+(?:,[0-9$]+)?)?[pdq=]|s/[^/\\\n&]*/[^/\\\n]*/[gpI]*|/[^/\\\n]*/[pd]")
_AWK_SCRIPT = re.compile(r"(?:/[^/\\\n]*/ ?)?\{ ?print(?: \$[0-9N F]+(?:, ?\$[0-9NF]+)*)? ?\}")
_GIT = frozenset(
    """
    status log diff show branch tag rev-parse ls-files blame describe shortlog add commit checkout switch restore
    fetch push pull clone stash merge init reset rm mv remote cat-file
    """.split()
)
_GIT_RUNS = re.compile(r"pack|exec|ext|pager|editor|config|hook|ssh|helper|template|textconv|::")
_GIT_SHORT = re.compile(r"-[0-9]+|-[abdfhilmnpqrstuvwDFMS]+[0-9]*")
_GIT_RUNS_SHORT = {"clone": "u", "merge": "s", "pull": "s"}
"""Short options that mean something else there: `git clone -u PROGRAM`."""
_GIT_LONG = frozenset(
    """
    oneline stat all graph short porcelain name-only name-status cached staged no-edit amend hard soft mixed keep
    force force-with-lease tags no-tags prune depth since until after before author grep pretty format abbrev-ref
    show-toplevel quiet verbose no-verify merged no-merged list delete rebase no-rebase ff-only no-ff ff abort
    continue message color no-color patch no-patch numstat shortstat summary diff-filter follow max-count reverse
    first-parent decorate date branch track set-upstream set-upstream-to single-branch bare initial-branch orphan
    detach ours theirs source worktree include-untracked keep-index others exclude-standard modified deleted
    is-inside-work-tree verify word-diff unified ignore-all-space no-index show-current contains points-at sort
    merges no-merges allow-empty dry-run update recursive
    """.split()
)
_CURL_LOADS = re.compile(r"--en|--conf|-[^-]*K")
"""Options of curl that load a library, or read more options from a file."""
_TAR = re.compile(r"-?[cxtvzjJfpkm]+")


def plain_name(program: str) -> str:
    """The name under which a program is known here: `python3.11` is python."""
    return program.lower() if program.lower() in LAUNCHERS else _VERSION.sub("", program.lower())


def program_does(program: str, words: Sequence[Word]) -> Doing:
    """What `program` may do with the words after it; it is none of the wrappers."""
    name = plain_name(program)
    if name in LAUNCHERS:
        return _launched(name, words)
    if program in _READERS and _known(program, words):
        return _reading(program, words)
    if program in _WRITERS and _known(program, words):
        everything = any(each.may_be_option and _holds(each, "rRa") for each in words) and program in ("cp", "gzip")
        return _WRITES_ALL if everything else _WRITES
    # An option that is not known of a program that is: `sort --compress-program`.
    return _RUNS if program in _READERS and program not in _NO_OPTION_HARMS else ANYTHING_ELSE


def _reading(program: str, words: Sequence[Word]) -> Doing:
    positional = [each for each in words if not each.may_be_option or each.literal == "-"]
    match program:
        case "uniq" if len(positional) > 1 or any(each.literal is None for each in words):
            return _WRITES_ALL  # the second one is written
        case "date" if any(not each.pattern.startswith("+") for each in positional):
            return ANYTHING_ELSE  # sets the clock
        case "umask" | "file" if any(each.literal is None for each in words):
            return ANYTHING_ELSE
        case "ps" if any("e" in each.pattern for each in positional):
            return _READS_ALL
        case "jq" if any(each.literal is None or "env" in each.pattern.lower() for each in words):
            return _READS_ALL
        case "grep" | "egrep" | "fgrep" | "diff" if any(_holds(each, "rRd") for each in words if each.may_be_option):
            return _READS_ALL
    return _READS


def _holds(option: Word, letters: str) -> bool:
    text = option.pattern
    return option.literal is None or text.startswith("--") or any(letter in text[1:] for letter in letters)


def _launched(name: str, words: Sequence[Word]) -> Doing:
    texts = [each.literal for each in words]
    known = [text for text in texts if text is not None]
    if name == "sed" and len(known) == len(texts):
        scripts = [text for text in known if text not in _SED_ARGS]
        if scripts and _SED_SCRIPT.fullmatch(scripts[0]) and not any(each.startswith("-") for each in scripts):
            return _READS
    if not known or len(known) < len(texts):
        return _RUNS
    if name == "awk" and _AWK_SCRIPT.fullmatch(known[0]):
        plain = not any(each.startswith("-") or "=" in each for each in known)
        return _READS if plain else _RUNS
    if name == "git" and known[0] in _GIT:
        return ANYTHING_ELSE if all(_git_word(known[0], each) for each in known[1:]) else _RUNS
    if name == "tar" and _TAR.fullmatch(known[0]):
        return _RUNS if any(each.startswith("-") or ":" in each for each in known[1:]) else _WRITES_ALL
    if name == "curl":
        return _RUNS if any(_CURL_LOADS.match(each) for each in known) else ANYTHING_ELSE
    return ANYTHING_ELSE if name == "dd" else _RUNS


def _git_word(verb: str, word: str) -> bool:
    """Whether git runs nothing that this word names."""
    if word == "--":
        return True
    if word.startswith("--"):
        return word[2:].partition("=")[0] in _GIT_LONG
    if word.startswith("-") and word != "-":
        harmful = _GIT_RUNS_SHORT.get(verb, "")
        return _GIT_SHORT.fullmatch(word) is not None and not any(letter in word for letter in harmful)
    return _GIT_RUNS.search(word) is None


def _known(program: str, words: Sequence[Word]) -> bool:
    """Whether every option in `words` is one of the tables, whatever the unknown words among them become."""
    short, long = _READERS.get(program) or _WRITERS[program]
    for each in words:
        if not each.may_be_option or each.literal == "-":
            continue
        text = each.literal
        if text is None:
            if program not in _NO_OPTION_HARMS:
                return False
        elif text == "--":
            continue  # what follows is judged as if it could be an option all the same
        elif text.startswith("--"):
            if text[2:].partition("=")[0] not in long:
                return False
        elif not _cluster(text[1:], short):
            return False
    return True


def _cluster(letters: str, short: str) -> bool:
    for letter in letters:
        if letter == ":" or (letter not in short and not letter.isdigit()):
            return False
        at = short.find(letter)
        if at >= 0 and short[at + 1 : at + 2] == ":":
            return True
    return True
