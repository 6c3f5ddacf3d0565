"""What tests use: a person at the consent page, the control API, and a client application."""

from sandbox.driving.application import Application
from sandbox.driving.control import Control
from sandbox.driving.person import PageShown, consent

__all__ = ["Application", "Control", "PageShown", "consent"]
