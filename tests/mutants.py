"""python -m tests.mutants [WORD]: take each guard out of a copy of the code; a test must miss it.

A guard is a few words that stand exactly once in one file. What is put in their place leaves them out, or
turns them round. The tests that are run are those of the part that the guard belongs to. Exit 1 when one
survives.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.support.databases import ROOT

CALLER, KEYS = "app/http/caller.py", "app/services/service_keys.py"
ALWAYS_KEY = "ServiceKey.id.is_not(None)"
SERVICE_KEYS = ("tests/http/test_service_keys.py",)
CODE_ANSWERS = ("tests/http/test_code_answers.py",)
PROTOCOL = ("tests/http/test_refresh_protocol.py",)
TOKEN = ("tests/http/test_token.py",)
VAULT = ("tests/test_vault.py",)
JWKS = ("tests/test_jwks.py",)
ISSUER_KEYS = ("tests/oauth/test_issuer_keys.py",)
HOST_TOKENS = ("tests/http/test_host_tokens.py",)
MEMORY = ("tests/test_memory.py",)
REMEMBERED = ("tests/http/test_remembered_tokens.py", "-k", "sqlite")
GROUP = ("tests/test_group.py",)
WINDOWS = ("tests/http/test_windows.py",)
WINDOWS_HERE = "app/http/windows.py"
JSON = ("tests/http/test_json_provider.py", "-k", "not postgresql")
PROVIDER = "app/http/json_provider.py"
DUMPING = "app/schemas/dumping.py"
DUMPS = ("tests/schemas",)
HOST_USERS = ("tests/http/test_host_users.py",)
HOSTING = ("tests/hosting", "-k", "not postgresql")
PROVISIONING = ("tests/http/test_provisioning.py", "-k", "not many_first")


@dataclass(frozen=True)
class Mutant:
    guard: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = PROTOCOL


LEASES = "app/services/leases.py"
REFRESHING = "app/services/refreshing.py"
SPOOLED = "app/services/spooled.py"
HELD = "row = leases.held(lease)"
UNHELD = (
    "row = db.session.execute(select(Grant, clock()).where(Grant.id == lease.place.row_id)).one_or_none()"
)
ALWAYS = "Grant.id.is_not(None)"
CLAIMS = "app/services/claims.py"
PUBLISHED = "app/oauth/issuer_keys.py"
PROVISION = "app/services/provisioning.py"
INSIDE = "app/hosting.py"
LEFT = "~exists().where(Departure.external_id == _EXTERNAL_ID),"
STANDING = "app/services/standing.py"
STANDS = ("tests/http/test_standing.py", "-k", "not postgresql")
SETTLING = "app/http/settling.py"
SETTLED = ("tests/http/test_settling.py",)
DISCLOSED = ("tests/http/test_audit.py", "tests/http/test_audit_sync.py")
BEGINNING = "app/services/beginning.py"
BEGUN = ("tests/http/test_beginning.py",)
FIFTY_REPLAYS = ("tests/http/test_flows.py::test_fifty_replays_at_once_make_one_token_request",)

MUTANTS = (
    Mutant(
        "lease: not while another's runs",
        LEASES,
        "or_(Grant.lease_until.is_(None), Grant.lease_until < moment())",
        ALWAYS,
    ),
    Mutant("lease: of the generation seen", LEASES, "Grant.generation == _GENERATION)", f"{ALWAYS})"),
    Mutant("lease: of the incarnation seen", LEASES, "Grant.incarnation == _INCARNATION, ", ""),
    Mutant(
        "lease: not before the back-off ends",
        LEASES,
        "or_(Grant.retry_at.is_(None), Grant.retry_at <= moment())",
        ALWAYS,
    ),
    Mutant("lease: not of an ended grant", LEASES, "Grant.ended_at.is_(None)", ALWAYS),
    Mutant("lease: its own node goes on", LEASES, "Grant.lease_node == _NODE,", "Grant.id.is_(None),"),
    Mutant(
        "lease: other nodes wait",
        LEASES,
        'Grant.lease_until < moment(bindparam("before_patience", type_=Float()))',
        ALWAYS,
    ),
    Mutant("commit: only under the lease", LEASES, "Grant.lease_owner == _OWNER,", f"{ALWAYS},"),
    Mutant("commit: only on this generation", LEASES, "    Grant.generation == _GENERATION,\n", ""),
    Mutant("commit: only on this incarnation", LEASES, "    Grant.incarnation == _INCARNATION,\n", ""),
    Mutant(
        "re-read: under the lease",
        LEASES,
        ".where(HELD)\n    .values(attempted_at",
        ".where(Grant.id == _ID)\n    .values(attempted_at",
    ),
    Mutant(
        "re-read: before an answer is stored",
        SPOOLED,
        "where(leases.HELD, *_AS_SEEN)",
        "where(Grant.id == leases._ID)",
    ),
    Mutant(
        "answer: what others have written stays",
        SPOOLED,
        "where(leases.HELD, *_AS_SEEN)",
        "where(leases.HELD)",
    ),
    Mutant(
        "re-read: before a grant is said to be dead",
        REFRESHING,
        f'none."""\n    {HELD}',
        f'none."""\n    {UNHELD}',
    ),
    Mutant("attempt: recorded before the call", LEASES, "attempted_at=clock(), ", ""),
    Mutant("failure: only one kind marks", REFRESHING, "kind is Kind.DEAD_GRANT", "kind", TOKEN),
    Mutant(
        "spool: looked into before the provider is asked",
        REFRESHING,
        "if spooled.recover(lease.place.incarnation):",
        "if False:",
    ),
    Mutant(
        "spool: only while its generation stands",
        SPOOLED,
        "grant is not None and place.row_id and grant.generation == place.generation",
        "grant is not None and place.row_id",
    ),
    Mutant("spool: only of its incarnation", SPOOLED, "Grant.incarnation == place.incarnation", ALWAYS),
    Mutant(
        "lease: given back where nothing was done under it",
        REFRESHING,
        "leases.give_back(lease)",
        "pass",
    ),
    Mutant("spool: what is stored is not spare", SPOOLED, "and _holds(grant, fresh)", "and False"),
    Mutant(
        "wait: it has an end",
        "app/services/tokens.py",
        "return wait.remaining() > (ENOUGH if mine_to_do else 0)",
        "return True",
        PROTOCOL,
    ),
    Mutant(
        "wait: not for another node's renewal",
        "app/services/tokens.py",
        "or _belongs_to_another_node(now)",
        "",
    ),
    Mutant("AAD: an envelope opens in its place only", "app/vault.py", "list(context)", "[]", VAULT),
    Mutant(
        "AAD: an answer belongs to one token of one row",
        "app/spool.py",
        'return ("spool", self.row_id, self.incarnation, self.generation)',
        'return ("spool",)',
    ),
    Mutant(
        "state: taken by one statement",
        "app/services/pending.py",
        "if pending is None or not _deleted(found.flow):",
        "if pending is None or _deleted(found.flow) is None:",
        FIFTY_REPLAYS,
    ),
    Mutant(
        "state: of this browser",
        "app/services/pending.py",
        "if found is None or not (browsers is None or _is_of(found.flow, browsers, or_unbound)):",
        "if found is None:",
        ("tests/http/test_flows.py",),
    ),
    Mutant("start: only of a service that is on", BEGINNING, "_OFFERED, _ROOM", "_ROOM", BEGUN),
    Mutant("start: so when room is made, too", BEGINNING, "whom.where(_OFFERED)", "whom", BEGUN),
    Mutant("start: a browser has so many", BEGINNING, "< MOST_PER_BROWSER", "< 100", BEGUN),
    Mutant(
        "start: in company only for those who may",
        BEGINNING,
        " and direct.all(ways.has_room, **values)",
        "",
        BEGUN,
    ),
    Mutant("start: room is made for those who may", BEGINNING, "== user_id,", "== standing.USER_ID,", BEGUN),
    Mutant(
        "refusals: told to those who stand alone",
        CALLER,
        "standing.confirm(caller)\n        raise",
        "raise",
        (*BEGUN, "tests/http/test_connections.py"),
    ),
    Mutant(
        "revocation: not of an account that lives here",
        "app/services/ending.py",
        "return db.session.scalar(alive) is not None",
        "return False",
        ("tests/http/test_grants.py",),
    ),
    Mutant(
        "key: only within its scopes",
        CALLER,
        "if scope not in acting.scopes:",
        "if False:",
        SERVICE_KEYS,
    ),
    Mutant("key: only for its users", KEYS, "(for_all or link is not None)", "True", SERVICE_KEYS),
    Mutant("key: not when it is revoked", KEYS, "ServiceKey.revoked_at.is_(None)", ALWAYS_KEY, SERVICE_KEYS),
    Mutant("key: not beside a token", CALLER, "if on_behalf_of is not None:", "if False:", SERVICE_KEYS),
    Mutant("key: never in a URL", CALLER, "or service_keys.is_one(in_query[0])", "", SERVICE_KEYS),
    Mutant(
        "limits: whoever has no good token is counted",
        CALLER,
        'limits.count("default", limits.address())',
        "pass",
        ("tests/http/test_limits.py",),
    ),
    Mutant(
        "limits: those before are seen in part",
        WINDOWS_HERE,
        "before * self._left(now - self._seconds) / self._seconds + count",
        "count",
        WINDOWS,
    ),
    Mutant("limits: a window ends", WINDOWS_HERE, "if number != self._number:", "if False:", WINDOWS),
    Mutant(
        "limits: so many and no more",
        WINDOWS_HERE,
        "floor(seen) + 1 <= self._amount",
        "floor(seen) <= self._amount",
        WINDOWS,
    ),
    Mutant("dump: what is of no plain type", DUMPING, "or type(value) not in plain", "", DUMPS),
    Mutant(
        "dump: hooks are called",
        DUMPING,
        "if schema._hooks[PRE_DUMP] or schema._hooks[POST_DUMP]:",
        "if False:",
        DUMPS,
    ),
    Mutant("dump: keys are written too", DUMPING, '"key_field", ', "", DUMPS),
    Mutant("dump: what stands for nothing", DUMPING, "or field.dump_default is not missing", "", DUMPS),
    Mutant("json: floats as ever", PROVIDER, " and not _may_hold_odd_floats(raw)", "", JSON),
    Mutant("json: small floats as ever", PROVIDER, 'b"0.0000" in raw or ', "", JSON),
    Mutant("json: ASCII as ever", PROVIDER, "raw.isascii() and ", "", JSON),
    Mutant("json: DEL as ever", PROVIDER, "_DELETE not in raw and ", "", JSON),
    Mutant(
        "lanes: who has none leaves",
        "app/oauth/lanes.py",
        "return not self.has_lane() and",
        "return False and",
        ("tests/oauth/test_lanes.py",),
    ),
    Mutant(
        "code: what it has brought has its time",
        SPOOLED,
        "if not entry.place.row_id and entry.written_at() > time() - UNDECIDED:",
        "if False:",
        CODE_ANSWERS,
    ),
    Mutant(
        "code: what was stored stays",
        SPOOLED,
        "if grant is not None and _holds(grant, fresh):",
        "if False:",
        CODE_ANSWERS,
    ),
    Mutant("host: its issuer", CLAIMS, "tokens.issuer is not None and", "False and", HOST_TOKENS),
    Mutant("host: our audience", CLAIMS, "tokens.audience is not None and", "False and", HOST_TOKENS),
    Mutant("host: no refresh token", CLAIMS, 'or claims.get("type", ACCESS) != kind', "", HOST_TOKENS),
    Mutant(
        "host: its sessions are none of ours",
        "app/services/bearer.py",
        "_signed_in(said) if settings.accounts_enabled else _of_host(said)",
        "_signed_in(said)",
        HOST_TOKENS,
    ),
    Mutant("standing: not who is shut out", STANDING, "    User.disabled_at.is_(None),\n", "", STANDS),
    Mutant(
        "standing: not who is signed out",
        STANDING,
        'func.coalesce(Login.id, "") == _LOGIN_ID',
        "_LOGIN_ID == _LOGIN_ID",
        STANDS,
    ),
    Mutant(
        "standing: not under a name of before",
        STANDING,
        'User.username_key == bindparam("username_key", type_=String()),',
        "",
        STANDS,
    ),
    Mutant(
        "standing: refusals, too",
        CALLER,
        "        standing.confirm(caller)\n        raise\n",
        "        raise\n",
        STANDS,
    ),
    Mutant(
        "standing: a host's users are asked for each time",
        "app/services/bearer.py",
        "callers.get(claims.digest(token)) if settings.accounts_enabled else None",
        "callers.get(claims.digest(token))",
        HOST_USERS,
    ),
    Mutant(
        "audit: what the database writes is plain",
        "app/models/connection.py",
        'and_(func.json_typeof(outline) == "object", plain)',
        'func.json_typeof(outline) == "object"',
        DISCLOSED,
    ),
    Mutant(
        "settling: what is owed is stored before an answer begins",
        SETTLING,
        "_pay([answer.owed for answer in answers])",
        "pass",
        SETTLED,
    ),
    Mutant(
        "settling: whoever may be near the limit is counted under a lock",
        "app/services/storing.py",
        ".where(_COUNT + MANY < _MOST)",
        "",
        SETTLED,
    ),
    Mutant(
        "settling: connections wait for the disk",
        "app/services/paying.py",
        "bool(added) or",
        "",
        ("tests/http/test_audit_sync.py",),
    ),
    Mutant(
        "settling: without its event no answer begins",
        SETTLING,
        "        _fail(answers, error)\n",
        "        [answer.begin() for answer in answers]\n",
        SETTLED,
    ),
    Mutant(
        "audit: a disclosure is committed as AUDIT_SYNC says",
        STANDING,
        "forced=settings.audit_sync",
        "forced=True",
        DISCLOSED,
    ),
    Mutant(
        "list: what has changed is opened anew",
        "app/services/listing.py",
        "before is not None and before[0] == row",
        "before is not None",
        ("tests/http/test_listing.py", "-k", "not postgresql"),
    ),
    Mutant("group: forced with forced", "app/models/group.py", "unit.forced <= self.forced", "True", GROUP),
    Mutant("group: a savepoint is undone", "app/models/group.py", '"ROLLBACK TO unit", ', "", GROUP),
    Mutant("group: a failed commit is all's", "app/models/group.py", "raise copy(failure)", "pass", GROUP),
    Mutant("token: remembered for its time", "app/memory.py", "found[0] <= time()", "False", REMEMBERED),
    Mutant("token: remembered as what it is", CLAIMS, "place = kind, ", "place = ACCESS, ", REMEMBERED),
    Mutant(
        "token: remembered with its key",
        CLAIMS,
        "known.key in _keys(known.kid)",
        "True",
        REMEMBERED,
    ),
    Mutant("memory: it is bounded", "app/memory.py", "len(self._kept) >= self._most", "False", MEMORY),
    Mutant("host: a private key verifies nothing", "jwks.py", "or _is_secret(member) ", "", JWKS),
    Mutant("host: a key for signatures", "jwks.py", 'and member.get("use", "sig") == "sig"', "", JWKS),
    Mutant("host: a key to verify with", "jwks.py", 'and "verify" in operations', "", JWKS),
    Mutant("host: a key of this algorithm", "jwks.py", 'member.get("alg", algorithm)', "algorithm", JWKS),
    Mutant(
        "host: a key that is long enough",
        "jwks.py",
        "return None if key.Algorithm.check_key_length(key.key) else key",
        "return key",
        JWKS,
    ),
    Mutant("host: the id chooses the key", PUBLISHED, "if key.key_id in (kid, None)", "", ISSUER_KEYS),
    Mutant("host: keys are kept for minutes", PUBLISHED, "or self._age() > KEPT", "", ISSUER_KEYS),
    Mutant("host: keys are used for a day", PUBLISHED, "or self._age() > LONGEST_KEPT", "", ISSUER_KEYS),
    Mutant(
        "host: unknown ids fetch once in a while",
        PUBLISHED,
        "monotonic() >= self._look_again_at",
        "True",
        ISSUER_KEYS,
    ),
    Mutant(
        "host: who asks for a known key does not wait",
        PUBLISHED,
        "patience=0 if known else TOTAL",
        "patience=TOTAL",
        ISSUER_KEYS,
    ),
    Mutant("host: an error page holds no keys", PUBLISHED, "answer.status != 200", "False", ISSUER_KEYS),
    Mutant("host: its id goes before ours", PROVISION, "User.external_id.is_(None))", "User.id)", HOST_USERS),
    Mutant(
        "host: our id of its users is nobody's", PROVISION, "User.external_id.is_(None),\n", "", HOST_USERS
    ),
    Mutant("host: who left is not taken for another", PROVISION, LEFT, "", HOST_USERS),
    Mutant("host: who is shut out stays so", PROVISION, "or user.disabled_at is not None", "", PROVISIONING),
    Mutant("host: names as at registration", PROVISION, "or problem_with(username)", "", PROVISIONING),
    Mutant(
        "host: nobody comes back by an old token",
        PROVISION,
        "if not _is_issued_after(departure.at, claims):",
        "if False:",
        PROVISIONING,
    ),
    Mutant(
        "host: who is removed leaves a mark",
        "app/services/accounts.py",
        "if user.external_id is not None:",
        "if False:",
        PROVISIONING,
    ),
    Mutant(
        "host: our own ids mean nobody where users are made",
        PROVISION,
        "_BY_HOSTS_ID if settings.tokens.provision_users else _BY_EITHER_ID",
        "_BY_EITHER_ID",
        PROVISIONING,
    ),
    Mutant(
        "hosted: a user loader, or accounts of our own",
        "app/__init__.py",
        "if user_loader is not None and config.accounts_enabled:",
        "if False:",
        HOSTING,
    ),
    Mutant(
        "hosted: an id is an integer in range",
        "app/services/bearer.py",
        "claims.check_user_id(said)",
        "pass",
        HOSTING,
    ),
    Mutant(
        "hosted: mounted at a plain path", "config.py", "if not _MOUNT.fullmatch(path):", "if False:", HOSTING
    ),
    Mutant("hosted: asked in the host's context", INSIDE, "return context.run(ask)", "return ask()", HOSTING),
    Mutant(
        "hosted: asked with the host's path",
        INSIDE,
        "_before_mounting(request.environ)",
        "request.environ",
        HOSTING,
    ),
    Mutant(
        "hosted: our headers are ours",
        INSIDE,
        "headers.setlist(name, self._said.getlist(name))",
        "pass",
        HOSTING,
    ),
    Mutant("hosted: no CORS but ours", INSIDE, "headers.remove(name)  # CORS", "pass  # CORS", HOSTING),
    Mutant("hosted: what a hook has read", INSIDE, "            **_body(),\n", "", HOSTING),
    Mutant(
        "hosted: what a hook has parsed",
        INSIDE,
        " or urlencode(list(request.form.items(multi=True))).encode()",
        "",
        HOSTING,
    ),
    Mutant(
        "hosted: registered where it was made for",
        INSIDE,
        "if state.url_prefix != self.url_prefix:",
        "if False:",
        HOSTING,
    ),
    Mutant(
        "hosted: hops stay below the path",
        "app/http/browser.py",
        "{parts.netloc}{settings.mounted_at}",
        "{parts.netloc}",
        HOSTING,
    ),
    Mutant(
        "hosted: repair begins below the path",
        "app/services/health.py",
        "{settings.mounted_at}/api",
        "/api",
        HOSTING,
    ),
    Mutant(
        "hosted: redirect URIs are below the path",
        "app/extensions.py",
        "config.base_url",
        "config.public_url",
        HOSTING,
    ),
)


def main() -> int:
    began, survivors = time.monotonic(), 0
    chosen = [mutant for mutant in MUTANTS if all(word in mutant.guard for word in sys.argv[1:])]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutant, verdict in zip(chosen, pool.map(judge, chosen), strict=True):
            survivors += verdict == "SURVIVED"
            print(f"{verdict:<22}  {mutant.guard:<60}  {mutant.file}", flush=True)
    seconds = time.monotonic() - began
    print(f"{len(chosen)} guards, {survivors} without a test that misses them, {seconds:.0f} s")
    return 1 if survivors else 0


def judge(mutant: Mutant) -> str:
    """Run the tests on a copy without the guard; return how many failed, or SURVIVED."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        tracked = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        for name in tracked.stdout.splitlines():
            if (ROOT / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, copy / name)
        take_out(copy / mutant.file, mutant)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--maxfail=3", *mutant.tests]
        ended = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=600)
    failed = re.search(r"([0-9]+) failed", ended.stdout)
    if ended.returncode == 0:
        return "SURVIVED"
    if ended.returncode != 1 or failed is None:
        raise SystemExit(
            f"{mutant.guard}: the tests did not run:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}"
        )
    return f"missed by {failed[1]} tests" if failed[1] != "1" else "missed by 1 test"


def take_out(path: Path, mutant: Mutant) -> None:
    text = path.read_text("utf-8")
    if mutant.old not in text:
        raise SystemExit(f"{mutant.guard}: {mutant.file} has changed; the guard is not where it was")
    path.write_text(text.replace(mutant.old, mutant.new), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
