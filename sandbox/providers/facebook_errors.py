"""Facebook's errors: nested, numbered, and all of them 400 (graph-api/guides/error-handling)."""

from flask.typing import ResponseReturnValue

from sandbox.engine import answers
from sandbox.engine.realm import Realm
from sandbox.engine.refusal import Reason, Refusal

INVALID = "Error validating access token: "
REDIRECT = (
    "Error validating verification code. Please make sure your redirect_uri is identical to the one you used"
)

WORDING: dict[Reason, tuple[int, int, str]] = {
    Reason.CLIENT_UNKNOWN: (101, 0, "Error validating application. Cannot get application info."),
    Reason.CLIENT_AUTH_MISSING: (1, 0, "Missing client_secret parameter."),
    Reason.CLIENT_SECRET_WRONG: (1, 0, "Error validating client secret."),
    Reason.FIELD_MISSING: (100, 0, "Missing {} parameter."),
    Reason.METHOD_REFUSED: (100, 33, "Unsupported post request."),
    Reason.GRANT_TYPE_UNSUPPORTED: (100, 0, "Unsupported grant_type: {}"),
    Reason.CODE_UNKNOWN: (100, 0, "Invalid verification code format."),
    Reason.CODE_USED: (100, 36009, "This authorization code has been used."),
    Reason.CODE_EXPIRED: (100, 36007, "This authorization code has expired."),
    Reason.REDIRECT_DIFFERS: (100, 36008, REDIRECT + " in the OAuth dialog request"),
    Reason.VERIFIER_MISSING: (100, 0, "Missing code_verifier parameter."),
    Reason.VERIFIER_WRONG: (100, 0, "Invalid code_verifier parameter."),
    Reason.TOKEN_MISSING: (104, 0, "An access token is required to request this resource."),
    Reason.TOKEN_UNKNOWN: (190, 0, "Invalid OAuth access token - Cannot parse access token"),
    Reason.TOKEN_EXPIRED: (190, 463, INVALID + "Session has expired."),
    Reason.TOKEN_REVOKED: (190, 458, INVALID + "The user has not authorized application {}."),
    Reason.PROOF_MISSING: (100, 0, "API calls from the server require an appsecret_proof argument"),
    Reason.PROOF_WRONG: (100, 0, "Invalid appsecret_proof provided in the API argument"),
    Reason.NOT_FOUND: (100, 33, "Unsupported request. The object does not exist or cannot be seen."),
}
CODE_SUBCODES = {36007, 36008, 36009}
GRAPH_METHOD = {Reason.PROOF_MISSING, Reason.PROOF_WRONG, Reason.METHOD_REFUSED, Reason.NOT_FOUND}


def refuse(realm: Realm, refusal: Refusal) -> ResponseReturnValue:
    error = described(refusal)
    if error.get("error_subcode") in CODE_SUBCODES and not realm.is_on("code_subcodes"):
        del error["error_subcode"]
    return answers.reply({"error": error}, 400)


def described(refusal: Refusal) -> dict[str, object]:
    code, subcode, message = WORDING.get(refusal.reason, (1, 0, "An unknown error occurred"))
    kind = "GraphMethodException" if refusal.reason in GRAPH_METHOD else "OAuthException"
    error: dict[str, object] = {"message": message.format(refusal.detail), "type": kind, "code": code}
    return error | ({"error_subcode": subcode} if subcode else {}) | {"fbtrace_id": "Asandbox"}
