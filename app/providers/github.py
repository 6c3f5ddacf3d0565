"""GitHub OAuth Apps. https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps"""

from app.oauth.provider import Provider, Revocation, ServiceDeclaration

GITHUB = Provider(
    name="github",
    services=(ServiceDeclaration(5, "github", "GitHub", "Code hosting and collaboration"),),
    authorize_url="https://github.com/login/oauth/authorize",
    token_url="https://github.com/login/oauth/access_token",
    revoke_url="https://api.github.com/applications/{client_id}/grant",
    userinfo_url="https://api.github.com/user",
    issuer="https://github.com/login/oauth",
    scopes=("repo", "read:user", "user:email"),
    implied_scopes={"user": frozenset({"read:user", "user:email", "user:follow"})},
    account_id=("id",),
    account_label=("login",),
    unused_token_days=365,
    rotation_ends_access=True,
    revocation=Revocation.APPLICATION,
    codes_refused=frozenset({"bad_verification_code"}),
    grants_dead=frozenset({"bad_refresh_token"}),
    client_refused=frozenset({"incorrect_client_credentials"}),
)
