"""The rows and the facts true of them. Plain SQLAlchemy: nothing here knows of Flask."""

from .base import Base, now
from .clock import Reading, clock, moment
from .connection import MASK, Connection
from .flow import Flow, Revocation
from .grant import Grant, Service, ServiceConnection, Tokens
from .record import AuditEvent, BrowserSession, KeyCheck, SchemaFloor
from .service_key import ServiceKey, ServiceKeyUser
from .user import Departure, Login, LoginFailure, User

Base.registry.configure()  # `of` leaves out the constructor, which would see to it

__all__ = [
    "MASK",
    "AuditEvent",
    "Base",
    "BrowserSession",
    "Connection",
    "Departure",
    "Flow",
    "Grant",
    "KeyCheck",
    "Login",
    "LoginFailure",
    "Reading",
    "Revocation",
    "SchemaFloor",
    "Service",
    "ServiceConnection",
    "ServiceKey",
    "ServiceKeyUser",
    "Tokens",
    "User",
    "clock",
    "moment",
    "now",
]
