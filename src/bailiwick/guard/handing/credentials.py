"""Sessions that rest on something signed: a user's sign-in, a plan, a delegation from another process.

What a token says is verified when its session is opened, and what it allows is in the session's authority from then on.
INVARIANT: before each decision of a session that rests on a plan or a delegation the store is asked whether one of its
ids was revoked; and each call of a delegated one comes with a proof, made for that call alone, that its agent holds the
key of the token. (A sign-in is evidence of the moment; rules read how old it is.) DESIGN §5 *Identity*.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from bailiwick.guard.effects import Flow
from bailiwick.guard.planes import Planes
from bailiwick.guard.ports import Issuer, Ports
from bailiwick.identity.authority import open_authority
from bailiwick.identity.chain_token import VerifiedChain, admit, ids_of, verify
from bailiwick.identity.jwks import Jwks
from bailiwick.identity.keys import PublicKey, Verifier
from bailiwick.identity.oidc import read_head, verify_user
from bailiwick.identity.oidc_settings import OidcIssuer
from bailiwick.identity.plan import plan_id, plan_task
from bailiwick.identity.proof import verify_proof
from bailiwick.identity.suspension import person_suspended
from bailiwick.model.call import Authority
from bailiwick.model.circumstances import Evidence
from bailiwick.model.decision import Plane, Reason

__all__ = [
    "Credential",
    "DelegationToken",
    "OwnIssuer",
    "PlanToken",
    "Prover",
    "UserToken",
    "delegated",
    "planned",
    "prove_call",
    "revoked",
    "signed_in",
]

Prover = Callable[[str], str]
"""Makes the proof for the call of an action digest (`bailiwick.identity.proof.prove`), wherever the key is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a session rests on: `ids` revoke it, `event` is the record of the delegation. `chain` and `prover` are there
    where each call has to be proved. `signer` is the user who signed the plan; empty where none did."""

    ids: tuple[str, ...]
    event: str = ""
    chain: VerifiedChain | None = None
    prover: Prover | None = None
    signer: str = ""


@dataclass(frozen=True, slots=True)
class UserToken:
    """The token of a user's sign-in, as the identity provider gave it."""

    text: str


@dataclass(frozen=True, slots=True)
class PlanToken:
    """A signed plan."""

    text: str


@dataclass(frozen=True, slots=True)
class DelegationToken:
    """A delegation from another process, and who proves that this one may use it."""

    text: str
    prover: Prover


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """The directory's user behind a token, and how that is known."""

    user: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class UserKeys:
    """→ the keys of an identity provider, fetched anew if none of them is called `kid`."""

    issuer: OidcIssuer
    kid: str | None

    def do(self, ports: Ports) -> Jwks:
        return ports.keys.of_provider(self.issuer, self.kid)


@dataclass(frozen=True, slots=True)
class IssuerKeys:
    """→ the public keys that delegations and plans of this project are signed with, by the issuer's name, and a
    verifier that remembers which signatures it found valid."""

    def do(self, ports: Ports) -> tuple[Mapping[str, Collection[PublicKey]], Verifier]:
        issuer = ports.keys.issuer()
        return {issuer.name: (issuer.key.public,)}, ports.keys.verifies


@dataclass(frozen=True, slots=True)
class OwnIssuer:
    """→ the project's own name and key to sign delegations with."""

    def do(self, ports: Ports) -> Issuer:
        return ports.keys.issuer()


@dataclass(frozen=True, slots=True)
class Prove:
    """→ the proof for a call, from whoever keeps the agent's key."""

    prover: Callable[[str], str]
    digest: str

    def do(self, _ports: Ports) -> str:
        return self.prover(self.digest)


@dataclass(frozen=True, slots=True)
class Revoked:
    """→ those of `ids` that were revoked."""

    tenant: str
    env: str
    ids: tuple[str, ...]

    def do(self, ports: Ports) -> frozenset[str]:
        return ports.revocations.revoked(self.tenant, self.env, self.ids)


@dataclass(frozen=True, slots=True)
class SeeNonce:
    """→ whether a proof's nonce was used before; from now on it was."""

    tenant: str
    env: str
    nonce: str
    expires_ms: int
    now_ms: int

    def do(self, ports: Ports) -> bool:
        return ports.replay.seen(self.tenant, self.env, self.nonce, expires_ms=self.expires_ms, now_ms=self.now_ms)


def signed_in(planes: Planes, token: str, now_ms: int) -> Flow[SignedIn | Reason]:
    """Who signed in, by a token of one of the providers in bailiwick.toml."""
    issuers = planes.settings.oidc
    if not issuers:
        return _reason(
            "token-issuer",
            "This project trusts no identity provider.",
            "Declare one as [oidc.<name>] in bailiwick.toml.",
        )
    head = read_head(token, issuers)
    if isinstance(head, Reason):
        return head
    keys: Jwks = yield UserKeys(head.issuer, head.kid)
    found = verify_user(token, issuer=head.issuer, keys=keys, directory=planes.directory, now_ms=now_ms)
    if isinstance(found, Reason):
        return found
    return SignedIn(user=found.user, evidence=replace(found.evidence, groups=found.groups))


def planned(
    planes: Planes, token: str, *, conversation: str, now_ms: int
) -> Flow[tuple[Authority, Credential] | Reason]:
    """The authority of a session for a signed plan."""
    settings = planes.settings
    plan = plan_id(token)
    if isinstance(plan, Reason):
        return plan
    gone: frozenset[str] = yield Revoked(settings.tenant, settings.env, (plan,))
    issuers, _ = yield IssuerKeys()
    task = plan_task(
        token,
        planes.directory,
        tenant=settings.tenant,
        env=settings.env,
        issuers=issuers,
        revoked=gone,
        now_ms=now_ms,
        approvers=settings.plan_approvers,
    )
    if isinstance(task, Reason):
        return task
    if stopped := _signer_out(planes, task.signer):
        return stopped
    authority = open_authority(
        planes.directory,
        tenant=settings.tenant,
        env=settings.env,
        user=task.user,
        service=None,
        agent=task.agent,
        task=task.task,
        conversation=conversation,
        now_ms=now_ms,
    )
    if isinstance(authority, Reason):
        return authority
    grant = authority.grant.narrowed(task.grant)
    held = replace(authority, purpose=task.purpose, grant=grant, steps=(grant,))
    return held, Credential(ids=(task.id,), signer=task.signer)


def delegated(planes: Planes, token: str, prover: Prover, now_ms: int) -> Flow[tuple[Authority, Credential] | Reason]:
    """The authority that a delegation token proves."""
    settings = planes.settings
    ids = ids_of(token)
    if isinstance(ids, Reason):
        return ids
    gone: frozenset[str] = yield Revoked(settings.tenant, settings.env, ids)
    issuers, verifier = yield IssuerKeys()
    chain = verify(
        token,
        tenant=settings.tenant,
        env=settings.env,
        issuers=issuers,
        revoked=gone,
        now_ms=now_ms,
        verifier=verifier,
    )
    if isinstance(chain, Reason):
        return chain
    refused = admit(planes.directory, chain, issuers=issuers)
    if refused is not None:
        return refused
    return chain.authority, Credential(ids=chain.ids, event=chain.ids[-1], chain=chain, prover=prover)


def revoked(planes: Planes, credential: Credential | None) -> Flow[Reason | None]:
    """Why a session's credential holds no longer; None if it does."""
    if credential is None:
        return None
    if stopped := _signer_out(planes, credential.signer):
        return stopped
    settings = planes.settings
    gone: frozenset[str] = yield Revoked(settings.tenant, settings.env, credential.ids)
    if not gone:
        if credential.chain is None:
            return None
        # The directory may have changed since: a key that it no longer names proves nothing.
        issuers, _ = yield IssuerKeys()
        return admit(planes.directory, credential.chain, issuers=issuers)
    return _reason("revoked", "What this session rests on was revoked.", "Have the work handed on anew.")


def _signer_out(planes: Planes, signer: str) -> Reason | None:
    """Why what this person signed does not count just now."""
    entry = planes.directory.users.get(signer)
    if not signer or (entry is not None and entry.active and not person_suspended(planes.suspensions, signer)):
        return None
    return _reason(
        "plan-not-trusted",
        f"{signer} signed this plan, and is suspended or no longer active.",
        "Have somebody else sign one.",
    )


def prove_call(planes: Planes, credential: Credential | None, digest: str, now_ms: int) -> Flow[Reason | None]:
    """Why the call of this digest is not proved; None if it is, or need not be."""
    if credential is None or credential.chain is None:
        return None
    assert credential.prover is not None
    proof: str = yield Prove(credential.prover, digest)
    found = verify_proof(proof, chain=credential.chain, digest=digest, now_ms=now_ms)
    if isinstance(found, Reason):
        return found
    settings = planes.settings
    seen: bool = yield SeeNonce(settings.tenant, settings.env, found.replay_key, found.expires_ms, now_ms)
    if not seen:
        return None
    return _reason("proof-replayed", "This proof of possession was used before.", "Make a new one for each call.")


def _reason(code: str, message: str, hint: str) -> Reason:
    return Reason(plane=Plane.IDENTITY, code=code, message=message, hint=hint)
