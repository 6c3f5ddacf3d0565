"""Google: Gmail and Drive, one grant. https://developers.google.com/identity/protocols/oauth2/web-server"""

from app.oauth.provider import Provider, Revocation, ServiceDeclaration

GOOGLE = Provider(
    name="google",
    services=(
        ServiceDeclaration(2, "gmail", "Gmail", "Email automation service"),
        ServiceDeclaration(3, "drive", "Google Drive", "File storage and sharing"),
    ),
    connects="Gmail and Drive",
    vendor="Google",
    authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
    token_url="https://oauth2.googleapis.com/token",
    revoke_url="https://oauth2.googleapis.com/revoke",
    userinfo_url="https://openidconnect.googleapis.com/v1/userinfo",
    issuer="https://accounts.google.com",
    scopes=(
        "openid",
        "email",
        "profile",
        "https://www.googleapis.com/auth/gmail.readonly",
        "https://www.googleapis.com/auth/drive",
    ),
    # A refresh token comes only with both, and without prompt=consent only the first time.
    authorize_params={"access_type": "offline", "prompt": "consent"},
    difference_params={"include_granted_scopes": "true"},
    scope_aliases={
        "https://www.googleapis.com/auth/userinfo.email": "email",
        "https://www.googleapis.com/auth/userinfo.profile": "profile",
    },
    account_id=("sub",),
    account_label=("email",),
    revocation=Revocation.TOKEN,
    already_gone=frozenset({"invalid_token"}),
)
