"""The protocol, once: what a provider may differ in, the pure steps of a flow, the one HTTP client."""
