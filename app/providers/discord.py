"""Discord. https://docs.discord.com/developers/topics/oauth2"""

from app.oauth.provider import ClientAuth, Provider, Revocation, ServiceDeclaration

DISCORD = Provider(
    name="discord",
    services=(ServiceDeclaration(7, "discord", "Discord", "Community chat"),),
    authorize_url="https://discord.com/oauth2/authorize",
    token_url="https://discord.com/api/oauth2/token",
    revoke_url="https://discord.com/api/oauth2/token/revoke",
    userinfo_url="https://discord.com/api/v10/users/@me",
    scopes=("identify", "email"),
    account_id=("id",),
    account_label=("global_name", "username"),
    client_auth=ClientAuth.BASIC,
    revocation=Revocation.TOKEN_BASIC,
    grants_dead_where={"invalid_request": "refresh_token"},
    already_gone=frozenset({"invalid_grant", "invalid_token"}),
)
