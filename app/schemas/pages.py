"""What the forms of the pages send."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, post_load, validate


class SignInSchema(Schema):
    """One field for either name. What has an @ is an email address, as the field says."""

    name = fields.String(required=True, validate=validate.Length(1, 254))
    password = fields.String(required=True, load_only=True, validate=validate.Length(1, 256))

    @post_load
    def _which_name(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        name = data.pop("name")
        return {("email" if "@" in name else "username"): name, **data}
