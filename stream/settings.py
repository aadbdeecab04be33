"""Settings: what is in force, and where each value came from.

An argument beats an environment variable (`REGRADE_WINDOW=45`), which beats the TOML file
(`window = 45` in the file that REGRADE_CONFIG names, else in ./regrade.toml), which beats the
default. Durations are seconds; the `*_ms` properties are what event time and Kafka count in.
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from agents.distiller.thresholds import Thresholds
from schemas.limits import DEFAULT_LIMITS, Limits
from schemas.modality import MODALITIES, Modality
from stream.errors import SettingsError

PREFIX = "REGRADE_"
CONFIG_VARIABLE = "REGRADE_CONFIG"
CACHE_VARIABLE = "REGRADE_CACHE"
"""Where `regrade evaluate` keeps what it downloads; read there, only known here."""
DEFAULT_CONFIG = "regrade.toml"

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
DAY = 86_400.0


def _split(value: object) -> object:
    """Allow `REGRADE_MODALITIES=visual,text`; a list is taken as it is."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _default_datadir() -> Path:
    """The user's cache, or the temporary directory where there is no home."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        base = Path(tempfile.gettempdir())
    return base / "regrade"


@dataclass(frozen=True, slots=True)
class Quantum:
    """What runs the distiller's circuits."""

    device: str = "exact"
    """`exact`: contraction without a state vector; else the name of any PennyLane device."""
    shots: Count | None = None
    """Of each circuit on a PennyLane device; None: exact expectations, where the device can."""


class Settings(BaseSettings):
    """Everything that can be set. Construct it with `Settings.load` for one-line errors."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    # The cluster
    bootstrap_servers: str = "127.0.0.1:9092"
    """`host:port`, several separated by commas."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: Path | None = None
    """PEM file of the authorities to trust; the system's where there is none."""
    request_timeout: Positive = 30.0
    """How long a request, or the wait for a record's delivery, may take."""

    # Topics
    topic_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,150}$")] = ""
    """Put before every topic's name, `plant1.line3.` for instance."""
    partitions: Count = 6
    """Of each topic that `regrade topics create` makes; a worker takes the topics' own counts."""
    replication_factor: Count = 1
    retention: Positive = 7 * DAY
    """Of observations and features."""
    decisions_retention: Positive = 30 * DAY
    dead_letter_retention: Positive = 30 * DAY
    """Of `units.dead-letter` and `units.late`."""

    # Time and the join (`stream/README.md`, `agents/README.md`)
    modalities: Annotated[tuple[Modality, ...], NoDecode, BeforeValidator(_split)] = MODALITIES
    """The enabled ones, which a complete passage has."""
    window: Positive = 60.0
    """How long a passage waits for modalities after its first observation."""
    grace: NotNegative = 30.0
    """How much longer a passage accepts late observations, as amendments."""
    max_out_of_orderness: NotNegative = 2.0
    """How far behind the event time of its input partition an observation may come on time."""
    idle_timeout: Positive = 5.0
    """For how long a silent station is awaited that was read out of a backlog."""
    mark_interval: Positive = 1.0
    """How often an extract worker tells the home partitions how far it has come."""
    provisional_after: Positive | None = None
    """When an incomplete passage gets a provisional decision; None: never."""
    max_clock_skew: Positive = 60.0
    """How far ahead of a worker's clock `captured_at` may be; at most window, as is the default."""
    max_source_lag: Positive = 180.0
    """How far behind the others the clock of a station may be that has no backlog."""
    max_evidence: Count = 64
    """Observations that one passage takes."""
    misread_ids: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = (
        "NOREAD",
        "NO-READ",
        "NO_READ",
        "ERROR",
        "000000",
    )
    """What scanners give for a unit_id when they read none, in any case."""

    # The worker
    group: Annotated[str, Field(min_length=1)] = "regrade"
    """Its consumer groups are `<group>-extract` and `<group>-decide`."""
    shadow: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,64}$")] = ""
    """Names a decide stage that runs beside the line's, in a group and with topics of its own
    (`stream/README.md`, "A shadow"); empty: the line itself."""
    session_timeout: Positive = 6.0
    """After how long without a heartbeat a worker is dead. Clusters refuse less than 6 s."""
    heartbeat_interval: Positive = 0.5
    rebalance_timeout: Positive = 6.0
    """How long the workers have to give up their partitions when one joins or leaves."""
    commit_interval: Positive = 0.5
    producer_linger: NotNegative = 0.0
    """How long a record waits for company; it gets some anyway while a batch is on its way."""
    fetch_max_wait: Positive = 0.05
    """How long the broker may hold a fetch back when there is nothing to read."""
    max_in_flight_bytes: Count = 64 * 1024 * 1024
    """What each stage of a worker has read and not finished with; beyond it the stage reads on
    only when something is finished."""
    side_topics: Literal["strict", "best-effort"] = "strict"
    """What happens when `units.late` or `units.dead-letter` refuses a record for good: the worker
    ends (`strict`), or the record is counted and dropped."""
    batch_max: Count = 256
    """Passages that one call of the distiller decides at most."""
    extract_threads: Count = 2
    """Threads that extract features."""
    shutdown_timeout: Positive = 10.0
    """How long a worker that was told to end may take to finish what is in flight."""
    torch_threads: Count = 1
    policy_path: Path | None = None
    """The plant's decision policy (YAML); None: the one that ships."""
    disassembly_path: Path | None = None
    """How the plant's products come apart and what parts are worth (YAML); None: what ships."""
    weights_path: Path | None = None
    """The distiller's weights (safetensors); None: those that ship."""
    tiers: Thresholds = Thresholds()
    """When a tier of the distiller is enough; `REGRADE_TIERS__SMALL_UNCERTAINTY`, or `[tiers]`."""
    quantum: Quantum = Quantum()
    """What runs the circuits; `REGRADE_QUANTUM__DEVICE`, or `[quantum]` in the file."""
    limits: Limits = DEFAULT_LIMITS
    """Bounds of one record; `REGRADE_LIMITS__PIXELS`, or `[limits]` in the file."""

    # The process
    datadir: Path = Field(default_factory=_default_datadir)
    metrics_port: Annotated[int, Field(ge=0, le=65534)] | None = None
    """Where a worker serves the Prometheus metrics of its first stage, of its second at the next
    port; None: nowhere; 0: at free ports."""
    metrics_host: str = "127.0.0.1"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Returns the settings in force; `overrides` (of the command line) may be None.

        Raises:
            SettingsError: in one line, what is wrong, and in which source.
        """
        given = {name: value for name, value in overrides.items() if value is not None}
        sources: dict[str, Mapping[str, Any]] = {}
        try:
            sources["file"] = _file_source(cls)()
            sources["environment"] = EnvSettingsSource(cls)()
        except ValueError as error:
            raise SettingsError(f"cannot read the settings: {error}") from error
        sources["argument"] = given
        origins = {name: source for source, values in sources.items() for name in _flat(values)}
        try:
            settings = cls(**given)
        except ValidationError as error:
            raise SettingsError(_one_line(error, origins)) from None
        settings._origins.update(origins)
        return settings

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the file: no .env file, no secrets directory."""
        return init_settings, env_settings, _file_source(settings_cls)

    @field_validator("bootstrap_servers")
    @classmethod
    def _addresses(cls, value: str) -> str:
        for server in value.split(","):
            host, _, port = server.strip().rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 65536:
                raise ValueError(f"{server.strip()!r} is not host:port, such as 127.0.0.1:9092")
        return value

    @field_validator("modalities")
    @classmethod
    def _enabled(cls, value: tuple[Modality, ...]) -> tuple[Modality, ...]:
        if not value:
            raise ValueError("enable at least one modality")
        if len(set(value)) < len(value):
            raise ValueError("a modality is named twice")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.provisional_after is not None and self.provisional_after >= self.window:
            raise ValueError(
                f"provisional_after ({self.provisional_after:g} s) must be less than"
                f" window ({self.window:g} s)"
            )
        if "max_clock_skew" not in self.model_fields_set:
            # Who wants a shorter window need not know of this.
            self.__dict__["max_clock_skew"] = min(self.max_clock_skew, self.window)
        if self.max_clock_skew > self.window:
            raise ValueError(
                f"max_clock_skew ({self.max_clock_skew:g} s) must not be longer than"
                f" window ({self.window:g} s)"
            )
        if self.heartbeat_interval * 3 > self.session_timeout:
            raise ValueError(
                f"heartbeat_interval ({self.heartbeat_interval:g} s) must be at most a third of"
                f" session_timeout ({self.session_timeout:g} s)"
            )
        if self.retention < self.window + self.grace:
            raise ValueError("retention must be longer than window and grace together")
        if self.decisions_retention < self.retention:
            # A replay of observations whose decisions are gone would decide them again.
            raise ValueError("decisions_retention must not be shorter than retention")
        if self.security_protocol.startswith("SASL") and not (
            self.sasl_username and self.sasl_password
        ):
            raise ValueError(
                f"security_protocol {self.security_protocol} needs sasl_username and sasl_password"
            )
        return self

    @property
    def window_ms(self) -> int:
        return ms(self.window)

    @property
    def grace_ms(self) -> int:
        return ms(self.grace)

    @property
    def max_out_of_orderness_ms(self) -> int:
        return ms(self.max_out_of_orderness)

    @property
    def max_clock_skew_ms(self) -> int:
        return ms(self.max_clock_skew)


def ms(seconds: float) -> int:
    """Seconds as whole milliseconds, never rounded down to none."""
    return max(round(seconds * 1000), 1) if seconds else 0


def effective(settings: Settings) -> dict[str, tuple[Any, str]]:
    """Returns every value in force, as JSON has it, with its source.

    By its path in the file; a dot is `__` in the environment. Secrets are hidden. Sources are
    `default`, `file`, `environment` and `argument`; only `Settings.load` knows them.
    """
    return {
        name: (value, settings._origins.get(name, "default"))
        for name, value in _flat(settings.model_dump(mode="json")).items()
    }


def unknown_variables() -> list[str]:
    """Returns REGRADE_* variables that set nothing: a misspelt one would be ignored in silence."""
    names = [name.replace(".", "__") for name in effective(Settings.model_construct())]
    known = {CONFIG_VARIABLE, CACHE_VARIABLE, *(PREFIX + name.upper() for name in names)}
    return sorted(
        name
        for name in os.environ
        if name.startswith(PREFIX) and not name.startswith(PREFIX + "TEST_") and name not in known
    )


def _file_source(settings_cls: type[BaseSettings]) -> TomlConfigSettingsSource:
    named = os.environ.get(CONFIG_VARIABLE)
    if named and not Path(named).is_file():
        # pydantic-settings skips files that are not there; one that was asked for must be.
        raise SettingsError(f"{CONFIG_VARIABLE} names {named}, which is not a file")
    path = named or DEFAULT_CONFIG
    try:
        return TomlConfigSettingsSource(settings_cls, toml_file=path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot read the settings in {path}: {error}") from error


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested settings as `limits.pixels`."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= (
            _flat(value, f"{prefix}{name}.")
            if isinstance(value, Mapping)
            else {prefix + name: value}
        )
    return flat


def _one_line(error: ValidationError, origins: Mapping[str, str]) -> str:
    """Returns the first things that are wrong, each with the name to correct."""
    parts = []
    for problem in error.errors(include_url=False)[:3]:
        name = ".".join(part for part in problem["loc"][:2] if isinstance(part, str))
        where = f" (from the {origins[name]})" if name in origins else ""
        message = problem["msg"].removeprefix("Value error, ")
        message = message[:1].lower() + message[1:]
        if problem["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            message = "there is no such setting; see `regrade settings`"
        parts.append(f"{name}{where}: {message}" if name else message)
    return "; ".join(parts)
