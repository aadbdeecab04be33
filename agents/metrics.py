"""What the worker counts, as Prometheus metrics (served where `metrics_port` is set)."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """One instance a stage, with a registry of its own so that tests do not share counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.observations = Counter(
            "regrade_observations",
            "Observations whose features were published",
            ["modality"],
            registry=self.registry,
        )
        self.dead_letters = Counter(
            "regrade_dead_letters",
            "Records that could not be used",
            ["topic", "reason"],
            registry=self.registry,
        )
        self.late = Counter(
            "regrade_late",
            "Observations whose passage had been retired",
            registry=self.registry,
        )
        self.repeats = Counter(
            "regrade_repeats",
            "Records that came again after their passage had been retired",
            registry=self.registry,
        )
        self.refused = Counter(
            "regrade_refused",
            "Records that a side topic refused for good and that were dropped (side_topics)",
            ["topic"],
            registry=self.registry,
        )
        self.wrong_clocks = Gauge(
            "regrade_wrong_clocks",
            "Stations and input partitions whose clock is far behind the others",
            ["kind"],
            registry=self.registry,
        )
        self.decisions = Counter(
            "regrade_decisions",
            "Published decisions",
            ["status", "option"],
            registry=self.registry,
        )
        self.decision_latency = Histogram(
            "regrade_decision_latency_seconds",
            "From a passage's newest observation to its published decision",
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.open_passages = Gauge(
            "regrade_open_passages", "Passages that are not retired", registry=self.registry
        )
        self.unfinished = Gauge(
            "regrade_unfinished_records",
            "Delivered records that a restart would read again",
            registry=self.registry,
        )
        self.duplicates = Gauge(
            "regrade_duplicates", "Observations that came again", registry=self.registry
        )
        self.inseparable = Gauge(
            "regrade_inseparable",
            "Observations whose stay could not be told from another",
            registry=self.registry,
        )
