"""What /metrics says, as Prometheus would read it."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """The numbers of one scrape, by name and labels."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self._samples = [sample for family in self.families for sample in family.samples]

    def __call__(self, name: str, **labels: str) -> float:
        """Return the sum of what has this name and these labels, whatever others it has."""
        found = [
            one.value
            for one in self._samples
            if one.name == name and all(one.labels.get(key) == value for key, value in labels.items())
        ]
        assert found, f"{name} {labels} is not there"
        return sum(found)

    def labels(self, name: str) -> set[frozenset[tuple[str, str]]]:
        """Return each set of labels that this name has."""
        return {frozenset(one.labels.items()) for one in self._samples if one.name == name}
