"""Bundles as files: content-addressed, canonical to the byte, and signed by whom the active directory knows."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from bailiwick import BailiwickError, ProjectError
from bailiwick.errors import BundleError, UsageError
from bailiwick.guard.administration.activating import check_bundle
from bailiwick.guard.planes import BundleRules, Planes
from bailiwick.identity.bundle_signatures import claimed_signers, sign
from bailiwick.model.bundle import ProjectBundle, SourceFile, build, read
from bailiwick.model.canonical import canonical
from bailiwick.model.decision import Reason
from bailiwick.project.bundle import build_bundle, differing, load_bundle
from bailiwick.project.load import load_project
from tests.project.bundles import bundled, key_of, project, put
from tests.worlds import edit

PATHS = tomllib.loads((Path(__file__).parent / "data/bundle_paths.toml").read_text(encoding="utf-8"))
NOW_MS = 1_800_000_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def planes(folder: Path) -> Planes:
    return load_project(folder).planes


@pytest.fixture(scope="module")
def good(folder: Path) -> ProjectBundle:
    return bundled(folder, 1, signers=("alice", "bob"))


def told(planes: Planes, bundle: ProjectBundle) -> str:
    found = check_bundle(planes, bundle, NOW_MS)
    return found.code if isinstance(found, Reason) else ""


def test_the_same_folder_gives_the_same_bytes_and_they_are_read_back(folder: Path, good: ProjectBundle) -> None:
    assert bundled(folder, 1, signers=("bob", "alice")).encode() == good.encode()
    assert read(good.encode()) == good
    assert build_bundle(folder, sequence=2, author="alice").digest != good.digest
    assert claimed_signers(good) == ("alice", "bob")


def test_it_loads_to_what_the_folder_loads_to_without_being_unpacked(folder: Path, good: ProjectBundle) -> None:
    loaded, here = load_bundle(folder / "nowhere", good), load_project(folder)
    assert loaded.settings == here.settings
    assert loaded.planes.rules_digest == here.planes.rules_digest
    assert not (folder / "nowhere").exists()


def test_what_is_wrong_in_it_has_file_and_line(folder: Path) -> None:
    texts = [SourceFile(path="policies/more.cedar", text="\n\npermit (\n")]
    files = [*build_bundle(folder, sequence=1, author="alice").files, *texts]
    with pytest.raises(ProjectError) as refused:
        load_bundle(folder, build(files, tenant="acme", env="test", sequence=1, author="alice"))
    assert str(refused.value.where).startswith("policies/more.cedar:3")
    put(folder, "policies/more.cedar", "permit (")
    try:
        with pytest.raises(ProjectError):
            build_bundle(folder, sequence=1, author="alice")
    finally:
        (folder / "policies/more.cedar").unlink()


def test_a_folder_tells_where_it_differs(tmp_path: Path) -> None:
    folder = project(tmp_path)
    made = build_bundle(folder, sequence=1, author="alice")
    assert differing(folder, made) == ()
    edit(folder, "bailiwick.toml", 'ttl = "30s"', 'ttl = "31s"')
    put(folder, "policies/new.cedar", "")
    (folder / "tools/desk.toml").unlink()
    assert differing(folder, made) == ("bailiwick.toml", "policies/new.cedar", "tools/desk.toml")
    (folder / "directory.toml").unlink()
    assert differing(folder, made) == ("directory.toml",)


# ── the file ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_byte_can_be_changed(planes: Planes, good: ProjectBundle) -> None:
    data = good.encode()
    assert told(planes, good) == ""
    passed: list[int] = []
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        try:
            found = read(changed)
        except BundleError:
            continue
        if told(planes, found) == "":
            passed.append(at)
    assert passed == []


@pytest.mark.parametrize("cut", [0, 1, 100, -1, -2])
def test_a_part_is_no_bundle(good: ProjectBundle, cut: int) -> None:
    with pytest.raises(BundleError):
        read(good.encode()[:cut])


def as_json(good: ProjectBundle) -> Any:
    return orjson.loads(good.encode())


def change(how: Callable[[Any], object]) -> Callable[[ProjectBundle], bytes]:
    def changed(good: ProjectBundle) -> bytes:
        whole = as_json(good)
        how(whole)
        return canonical(whole) + b"\n"

    return changed


FORMS: dict[str, Callable[[ProjectBundle], bytes]] = {
    "not JSON": lambda _: b"bundle",
    "a list": lambda _: b"[]\n",
    "white space": lambda good: good.encode().replace(b'"v":1', b'"v": 1'),
    "no end of line": lambda good: good.encode()[:-1],
    "two ends of line": lambda good: good.encode() + b"\n",
    "something after it": lambda good: good.encode() + b"x",
    "a key twice": lambda good: good.encode().replace(b'"v":1', b'"v":1,"v":1'),
    "another order of keys": lambda good: orjson.dumps(dict(reversed(as_json(good).items()))) + b"\n",
    "an escape that need not be": lambda good: good.encode().replace(b'"acme"', b'"\\u0061cme"'),
    "another key": change(lambda whole: whole.update(x=1)),
    "another key within": change(lambda whole: whole["bundle"].update(x=1)),
    "a key less": change(lambda whole: whole["bundle"].pop("note")),
    "a file with another key": change(lambda whole: whole["bundle"]["files"][0].update(mode=1)),
    "files in another order": change(lambda whole: whole["bundle"]["files"].reverse()),
    "a file twice": change(lambda whole: whole["bundle"]["files"].append(whole["bundle"]["files"][0])),
    "no settings": change(lambda whole: whole["bundle"]["files"].pop(_at(whole, "bailiwick.toml"))),
    "version 2": change(lambda whole: whole.update(v=2)),
    "version true": change(lambda whole: whole.update(v=True)),
    "sequence 0": change(lambda whole: whole["bundle"].update(sequence=0)),
    "sequence -1": change(lambda whole: whole["bundle"].update(sequence=-1)),
    "sequence as text": change(lambda whole: whole["bundle"].update(sequence="1")),
    "no author": change(lambda whole: whole["bundle"].update(author="")),
    "a tenant that is none": change(lambda whole: whole["bundle"].update(tenant="ACME")),
    "a long note": change(lambda whole: whole["bundle"].update(note="x" * 1001)),
    "a signature twice": change(lambda whole: whole["signatures"].append(whole["signatures"][-1])),
    "signatures in another order": change(lambda whole: whole["signatures"].reverse()),
    "a signature that is no text": change(lambda whole: whole["signatures"].append(1)),
    "many signatures": change(lambda whole: whole.update(signatures=[f"{n:04}" for n in range(101)])),
    "far too large": lambda good: good.encode().replace(b'"note":""', b'"note":"%s"' % (b"x" * 4_190_000)),
}


def _at(whole: Any, path: str) -> int:
    return next(n for n, file in enumerate(whole["bundle"]["files"]) if file["path"] == path)


@pytest.mark.parametrize("form", FORMS)
def test_another_form_is_refused(good: ProjectBundle, form: str) -> None:
    data = FORMS[form](good)
    assert data != good.encode()
    with pytest.raises(BailiwickError) as refused:
        read(data)
    assert refused.value.hint


def with_paths(*paths: str) -> ProjectBundle:
    files = [SourceFile(path=path, text="") for path in ("bailiwick.toml", "directory.toml", *paths)]
    return build(files, tenant="acme", env="test", sequence=1, author="alice")


@pytest.mark.parametrize("path", PATHS["right"])
def test_paths_of_a_project_are_taken(path: str) -> None:
    assert path in with_paths(path).texts


@pytest.mark.parametrize("path", PATHS["wrong"])
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(BundleError):
        with_paths(path)


@pytest.mark.parametrize("paths", PATHS["same"])
def test_paths_that_could_be_taken_for_each_other_are_refused(paths: list[str]) -> None:
    with pytest.raises(BundleError):
        with_paths(*paths)


def test_too_many_files_are_refused() -> None:
    with pytest.raises(BundleError, match="at most"):
        with_paths(*(f"tools/{n}.toml" for n in range(2000)))


# ── who signed it ───────────────────────────────────────────────────────────────────────────────────────────────────


ONE = BundleRules()


@dataclass(frozen=True, kw_only=True)
class Signing:
    name: str
    code: str
    author: str = "alice"
    signers: tuple[str, ...] = ()
    rules: BundleRules = ONE
    sequence: int = 1
    spoil: Callable[[ProjectBundle, ProjectBundle], ProjectBundle] = lambda bundle, _: bundle


def only_text(author: str) -> Callable[[ProjectBundle, ProjectBundle], ProjectBundle]:
    """Says that somebody else wrote it, keeping the signatures."""
    return lambda bundle, _: replace(
        build(bundle.files, tenant=bundle.tenant, env=bundle.env, sequence=bundle.sequence, author=author),
        signatures=bundle.signatures,
    )


def moved(**where: Any) -> Callable[[ProjectBundle, ProjectBundle], ProjectBundle]:
    def other(bundle: ProjectBundle, _: ProjectBundle) -> ProjectBundle:
        claims = {"tenant": bundle.tenant, "env": bundle.env, "sequence": bundle.sequence, "author": bundle.author}
        return replace(build(bundle.files, **{**claims, **where}), signatures=bundle.signatures)

    return other


def raw(
    by: str, key: str, *, of: str = "", kind: str = "bundle"
) -> Callable[[ProjectBundle, ProjectBundle], ProjectBundle]:
    """Adds a signature that says to be somebody's, made with some key."""
    return lambda bundle, _: bundle.signed(
        (*bundle.signatures, key_of(key).signed(kind, {"bundle": of or bundle.digest, "by": by}))
    )


TWO = BundleRules(signatures=2)
THREE = BundleRules(signatures=3)
SEPARATE = BundleRules(separation=True)

SIGNINGS = [
    Signing(name="its author", code="", signers=("alice",)),
    Signing(name="its author and another", code="", signers=("alice", "bob"), rules=SEPARATE),
    Signing(name="three people", code="", signers=("alice", "bob", "dora"), rules=THREE),
    Signing(name="nobody", code="bundle-author"),
    Signing(name="another alone", code="bundle-author", signers=("bob",)),
    Signing(name="another alone where they are to be separate", code="bundle-author", signers=("bob",), rules=SEPARATE),
    Signing(
        name="its author alone where they are to be separate",
        code="bundle-author-alone",
        signers=("alice",),
        rules=SEPARATE,
    ),
    Signing(name="one of two", code="bundle-signatures", signers=("alice",), rules=TWO),
    Signing(name="two of three", code="bundle-signatures", signers=("alice", "dora"), rules=THREE),
    Signing(name="somebody who may not activate", code="bundle-signer", signers=("alice", "eve"), rules=SEPARATE),
    Signing(name="somebody switched off", code="bundle-signature", signers=("alice", "gone")),
    Signing(name="a key of nobody", code="bundle-signature", signers=("alice",), spoil=raw("bob", "mallory")),
    Signing(name="the key of another", code="bundle-signature", signers=("alice",), spoil=raw("bob", "alice")),
    Signing(
        name="a person whom nobody knows", code="bundle-signature", signers=("alice",), spoil=raw("mallory", "mallory")
    ),
    Signing(name="an agent", code="bundle-signature", signers=("alice",), spoil=raw("desk-bot", "alice")),
    Signing(
        name="over another bundle", code="bundle-signature", signers=("alice",), spoil=raw("bob", "bob", of="sha256:0")
    ),
    Signing(
        name="for another purpose", code="bundle-signature", signers=("alice",), spoil=raw("bob", "bob", kind="plan")
    ),
    Signing(
        name="text that is no signature",
        code="bundle-signature",
        signers=("alice",),
        spoil=lambda bundle, _: bundle.signed((*bundle.signatures, "x")),
    ),
    Signing(
        name="signatures of an older bundle",
        code="bundle-signature",
        spoil=lambda bundle, older: replace(bundle, signatures=older.signatures),
        sequence=2,
    ),
    Signing(
        name="a signature taken away",
        code="bundle-author",
        signers=("alice",),
        spoil=lambda bundle, _: bundle.signed(()),
    ),
    Signing(name="another name as the author's", code="bundle-signature", signers=("alice",), spoil=only_text("bob")),
    Signing(name="another tenant", code="bundle-of-another", signers=("alice",), spoil=moved(tenant="other")),
    Signing(name="another environment", code="bundle-of-another", signers=("alice",), spoil=moved(env="prod")),
    Signing(
        name="a higher number, signed as a lower one",
        code="bundle-signature",
        signers=("alice",),
        spoil=moved(sequence=9),
    ),
]


@pytest.mark.parametrize("case", SIGNINGS, ids=lambda case: case.name)
def test_a_bundle_counts_as_signed_by(folder: Path, planes: Planes, good: ProjectBundle, case: Signing) -> None:
    holds = replace(planes, settings=replace(planes.settings, bundles=case.rules))
    made = build_bundle(folder, sequence=case.sequence, author=case.author)
    for name in case.signers:
        made = sign(made, by=name, key=key_of(name), directory=planes.directory)
    assert told(holds, case.spoil(made, good)) == case.code


def test_whoever_signs_again_has_signed_once(planes: Planes, good: ProjectBundle) -> None:
    again = sign(good, by="bob", key=key_of("bob"), directory=planes.directory)
    assert again == good


@pytest.mark.parametrize(("by", "key"), [("bob", "alice"), ("mallory", "mallory"), ("carol", "carol")])
def test_signing_with_a_key_that_is_not_known_as_ones_own_is_refused_at_once(
    planes: Planes, good: ProjectBundle, by: str, key: str
) -> None:
    with pytest.raises(UsageError) as refused:
        sign(good, by=by, key=key_of(key), directory=planes.directory)
    assert refused.value.hint


def test_a_bundle_cannot_bring_the_keys_that_it_is_signed_with(tmp_path: Path, planes: Planes) -> None:
    folder = project(tmp_path)
    edit(folder, "directory.toml", str(key_of("bob").public), str(key_of("mallory").public))
    made = build_bundle(folder, sequence=1, author="bob")
    brought = load_project(folder).planes
    made = sign(made, by="bob", key=key_of("mallory"), directory=brought.directory)
    assert told(brought, made) == "", "it would be right by its own directory"
    assert told(planes, made) == "bundle-signature"
