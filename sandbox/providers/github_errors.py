"""GitHub's words: the token endpoint's, which come with status 200, and the API's."""

from sandbox.engine.refusal import Reason

BAD_CODE = ("bad_verification_code", "The code passed is incorrect or expired.")
BAD_CLIENT = ("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.")
BAD_REDIRECT = "The redirect_uri MUST match the registered callback URL for this application."
BAD_REFRESH = ("bad_refresh_token", "The refresh token passed is incorrect or expired.")

TOKEN_WORDING: dict[Reason, tuple[str, str]] = {
    Reason.CLIENT_UNKNOWN: BAD_CLIENT,
    Reason.CLIENT_SECRET_WRONG: BAD_CLIENT,
    Reason.CLIENT_AUTH_MISSING: BAD_CLIENT,
    Reason.FIELD_MISSING: BAD_CODE,
    Reason.FIELD_FORBIDDEN: ("invalid_scope", "A refresh cannot name scopes."),
    Reason.GRANT_TYPE_UNSUPPORTED: ("unsupported_grant_type", "The grant type is not supported."),
    Reason.CODE_UNKNOWN: BAD_CODE,
    Reason.CODE_USED: BAD_CODE,
    Reason.CODE_EXPIRED: BAD_CODE,
    Reason.VERIFIER_MISSING: BAD_CODE,
    Reason.VERIFIER_WRONG: BAD_CODE,
    Reason.REDIRECT_DIFFERS: ("redirect_uri_mismatch", BAD_REDIRECT),
    Reason.REFRESH_DEAD: BAD_REFRESH,
    Reason.REFRESH_EXPIRED: BAD_REFRESH,
}

API_WORDING: dict[Reason, tuple[int, str]] = {
    Reason.TOKEN_MISSING: (401, "Requires authentication"),
    Reason.TOKEN_UNKNOWN: (401, "Bad credentials"),
    Reason.TOKEN_EXPIRED: (401, "Bad credentials"),
    Reason.TOKEN_REVOKED: (401, "Bad credentials"),
    Reason.FIELD_MISSING: (422, "Validation Failed"),
    Reason.USER_AGENT_MISSING: (403, "Request forbidden by administrative rules. Send a User-Agent header."),
}
