"""What the documents print, letter by letter, and the least repair of what is not JSON in them.

Ids and usernames are those of the documents: a test puts its own in their place.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """One documented call. `request` and `response` are as printed; `repaired` is the request made JSON."""

    method: str
    path: str
    response: str
    request: str | None = None
    repaired: str | None = None
    status: int = 200

    @property
    def body(self) -> str | None:
        return self.repaired or self.request


# Document 000: legacy tokens

ADD_TOKEN = Example(
    "POST",
    "/api/users/:username/connections/addtoken",
    '{\n    "message": "token added"\n}',
    request="""{
    "name" :"spotify3",
    "token_type" : "spotify",
    "token" : "1afcd222222sdcfaxfdfa52aafkkkbvdj"


}""",
    status=201,
)
GET_TOKEN = Example(
    "POST",
    "/api/users/:username/connection/gettoken",
    '{\n    "token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VybmFtZSI6ImxlZ2F0by"\n}',
    request='{\n    "name": "git1",\n    "token_type": "github"\n}',
)
GET_TOKENS = Example(
    "GET",
    "/api/users/:username/connection/gettokens",
    """[
    {
        "ID": 10,
        "CreatedAt": "2021-04-11T20:23:44.487065Z",
        "UpdatedAt": "2021-04-11T20:23:44.490836Z",
        "DeletedAt": null,
        "Token": "1afcd222222sdcfaxsdfsaz",
        "Token_type": "spotify",
        "UserID": 3,
        "Name": "spotify4"
    },
    {
        "ID": 11,
        "CreatedAt": "2021-04-11T20:25:22.047339Z",
        "UpdatedAt": "2021-04-11T20:25:22.056967Z",
        "DeletedAt": null,
        "Token": "1afcd222222sdcfaxsdfsaz",
        "Token_type": "spotify",
        "UserID": 3,
        "Name": ""
    },
    {
        "ID": 12,
        "CreatedAt": "2021-04-12T14:48:46.605771Z",
        "UpdatedAt": "2021-04-12T14:48:46.626229Z",
        "DeletedAt": null,
        "Token": "dpsfihio514356dfsc5sdf5c1252dcsx52",
        "Token_type": "git",
        "UserID": 3,
        "Name": "git1"
    }
]""",
)
RENAME_TOKEN = Example(
    "PUT",
    "/api/users/connection/update/token/name",
    '{\n     "message": "update token successfully"\n}',
    request='{\n    "name": "git1",\n    "id": 1\n}',
)
CHECK_TOKEN = Example(
    "POST",
    "/api/users/:username/connection/check/token",
    '{\n    "message": "correct token"\n}',
    request='{\n    "id": 1,\n    \n}',
    repaired='{\n    "id": 1\n    \n}',
)
REPLACE_TOKEN = Example(
    "PUT",
    "/api/users/:username/connection/update/token/token",
    '{\n    "message":  "updated token successfully"\n}',
    request='{\n    "id" : 2,\n    "token" : "asdpjbfipdsafhbcop;bfdhsbocp;x"\n',
    repaired='{\n    "id" : 2,\n    "token" : "asdpjbfipdsafhbcop;bfdhsbocp;x"\n}',
)
DELETE_TOKEN = Example(
    "PUT",
    "/api/users/:username/connection/update/token/token",
    '{\n    "message":  "deleted token successfully"\n}',
    request='{\n    "id": 1,\n    \n}',
    repaired='{\n    "id": 1\n    \n}',
)

# The documents print Spotify's key beside Discord's URL; the key is what counts.
PRINTED_URL = (
    "https://discord.com/api/oauth2/authorize?access_type=online&client_id=830463353079988314"
    "&redirect_uri=http://localhost:8080/callback&response_type=code&scope=identify+email"
    "&state=h8EecvhXJqHsG5EQ3K0gei4EUrWpaFj_HqH3WNZdrzrX1BX1COQRsTUv3-yGi3WmHQbw0EHJ58Rx1UOkvwip-Q%3D%3D"
)
TOKEN_URLS = Example(
    "POST",
    "/api/user/connection/access/token/urls",
    f'{{\n    "spotify_url": "{PRINTED_URL}"\n}}',
    request='{"token_type": "spotify"}',  # told in the text above the example
)

# Document 001: typed connections

ADD_CONNECTION = Example(
    "POST",
    "/api/users/:username/add/connection",
    """{
"data": {
    "token": "3c14cb6290e0e568f6f6"
},
"id": 46,
"name": "myssh",
"type": "sshes"
}""",
    request="""{
    "name" :"spotify3",
    "type": "spotify",
    "data" : {
        "token" : "ffsdsfasdfiohipafhjdoicjkposa"
    }
}""",
    status=201,
)
READ_CONNECTION = Example(
    "GET",
    "/api/users/:username/get/connection/:id",
    """{
"data": {
    "host": "37.152.181.64",
    "password": "eeeeeeeeeeeeeee",
    "username": "reza"
},
"id": "34",
"name": "ssh9",
"type": "sshes"
}   """,
)
SERVICE_URL = Example("GET", "/api/user/connection/access/spotify", TOKEN_URLS.response)
_LISTED = """"connections": [
    {
        "id": 32,
        "data": {
            "host": "37.152.181.64",
            "password": "--------",
            "username": "reza"
        },
        "name": "ssh8",
        "type": "sshes"
    },
    {
        "id": 34,
        "data": {
            "host": "37.152.181.64",
            "password": "----------",
            "username": "reza"
        },
        "name": "ssh9",
        "type": "sshes"
    },
    {
        "id": 35,
        "data": {
            "host": "37.152.181.64",
            "sshKey": "-----------------",
            "username": "reza"
        },
        "name": "ssh10",
        "type": "sshes"
    }
]"""
LIST_CONNECTIONS = Example("GET", "/api/users/:username/get/connections", f"{{{_LISTED}}}")
_UPDATED = '{\n    "message":  "updated connection successfully"\n}'
RENAME_CONNECTION = Example(
    "PUT",
    "/api/users/:username/update/connection/name/:id",
    _UPDATED,
    request='{\n   "name": "git1"\n}',
)
CHECK_CONNECTION = Example("GET", "/api/users/:username/check/connection/:id", '{\n    "message": "true"\n}')
_REPLACING = """ "data": {
    "host": "37.152.181.64",
    "password": "-----------",
    "username": "reza"
}"""
REPLACE_DATA = Example(
    "PUT",
    "/api/users/:username/update/connection/data/:id",
    _UPDATED,
    request=_REPLACING,
    repaired=f"{{{_REPLACING}}}",
)
DELETE_CONNECTION = Example(
    "DELETE",
    "/api/users/:username/connection/delete/:id",
    '{\n    "message":  "deleted connection successfully"\n}',
)

# Document 002: what concerns all services

LIST_SERVICES = Example(
    "GET",
    "/api/connections",
    """{
  "connections": [
    {
      "service_id": 2,
      "service_name": "gmail",
      "display_name": "Gmail",
      "description": "Email automation service",
      "is_connected": true,
      "connected_at": "2025-12-15T10:00:00Z"
    },
    {
      "service_id": 3,
      "service_name": "facebook",
      "display_name": "Facebook",
      "description": "Social media automation",
      "is_connected": false,
      "connected_at": null
    }
  ]
}""",
)
RESET = Example(
    "DELETE",
    "/api/connections/reset",
    '{\n  "message": "Successfully disconnected 4 service(s)",\n  "disconnected_count": 4\n}',
)

BROKEN = (CHECK_TOKEN, REPLACE_TOKEN, DELETE_TOKEN, REPLACE_DATA)
