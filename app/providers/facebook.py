"""Facebook Login. https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow"""

from app.oauth.provider import Provider, Revocation, ScopeSource, ServiceDeclaration

FACEBOOK = Provider(
    name="facebook",
    services=(ServiceDeclaration(4, "facebook", "Facebook", "Social media automation"),),
    authorize_url="https://www.facebook.com/v26.0/dialog/oauth",
    token_url="https://graph.facebook.com/v26.0/oauth/access_token",
    revoke_url="https://graph.facebook.com/v26.0/{account_id}/permissions",
    userinfo_url="https://graph.facebook.com/v26.0/me",
    scopes=("email", "public_profile", "user_posts"),
    scope_separator=",",
    scope_source=ScopeSource.PERMISSIONS,
    # Without it, a permission that was once declined is never asked for again.
    authorize_params={"auth_type": "rerequest"},
    difference_params={},
    userinfo_params={"fields": "id,name,email"},
    account_id=("id",),
    account_label=("name",),
    long_lived_grant="fb_exchange_token",
    renew_days_ahead=14,
    app_secret_proof="appsecret_proof",
    revocation=Revocation.PERMISSIONS,
    codes_refused=frozenset({"100"}),
    grants_dead=frozenset({"190", "102"}),
    client_refused=frozenset({"1", "101"}),
    already_gone=frozenset({"190", "102"}),
)
