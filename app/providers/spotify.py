"""Spotify. https://developer.spotify.com/documentation/web-api/tutorials/code-flow"""

from app.oauth.provider import Binding, ClientAuth, Provider, ServiceDeclaration

SPOTIFY = Provider(
    name="spotify",
    services=(ServiceDeclaration(6, "spotify", "Spotify", "Music playback and playlists"),),
    authorize_url="https://accounts.spotify.com/authorize",
    token_url="https://accounts.spotify.com/api/token",
    userinfo_url="https://api.spotify.com/v1/me",
    scopes=(
        "user-read-playback-state",
        "user-modify-playback-state",
        "playlist-read-private",
        "playlist-modify-public",
        "playlist-modify-private",
        "user-library-read",
        "user-library-modify",
    ),
    account_id=("account_id", "id"),  # `id` can change; `account_id`, since May 2026, cannot
    account_label=("display_name", "id"),
    client_auth=ClientAuth.BASIC,
    binding=Binding.COOKIE,
    refuses_localhost=True,
    grant_days=182,  # six months, since June 2026
)
