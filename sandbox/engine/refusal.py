"""The reasons for which a provider says no; each provider words them in its own way."""

from enum import Enum, auto


class Reason(Enum):
    CLIENT_UNKNOWN = auto()
    CLIENT_SECRET_WRONG = auto()
    CLIENT_AUTH_MISSING = auto()
    FORM_REQUIRED = auto()
    FIELD_MISSING = auto()
    FIELD_FORBIDDEN = auto()
    GRANT_TYPE_UNSUPPORTED = auto()
    METHOD_REFUSED = auto()
    CODE_UNKNOWN = auto()
    CODE_USED = auto()
    CODE_EXPIRED = auto()
    REDIRECT_DIFFERS = auto()
    VERIFIER_MISSING = auto()
    VERIFIER_WRONG = auto()
    REFRESH_DEAD = auto()
    REFRESH_EXPIRED = auto()
    TOKEN_MISSING = auto()
    TOKEN_UNKNOWN = auto()
    TOKEN_EXPIRED = auto()
    TOKEN_REVOKED = auto()
    TOKEN_HINT_UNKNOWN = auto()
    PROOF_MISSING = auto()
    PROOF_WRONG = auto()
    USER_AGENT_MISSING = auto()
    SCOPE_LACKING = auto()
    NOT_FOUND = auto()
    ALREADY_GONE = auto()


class Refusal(Exception):
    """The provider refuses; ``detail`` names the field or the application that it is about."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason.name)
        self.reason = reason
        self.detail = detail


class Halt(Exception):
    """The provider shows its own error page, and the browser is sent nowhere."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.status = status


class CallbackError(Exception):
    """The provider sends the browser back with an ``error`` (RFC 6749, section 4.1.2.1)."""

    def __init__(self, error: str, description: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.description = description
