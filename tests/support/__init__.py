"""What the tests stand on: real databases, a running service, the sandbox, clients and browsers."""
