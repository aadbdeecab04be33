"""What both clients are: settings with a few overrides, and `async with`."""

from abc import ABC, abstractmethod
from typing import Self

from stream.settings import Settings


class Client(ABC):
    """Starts on entering `async with` and closes on leaving it.

    Args:
        bootstrap: `host:port` of the cluster; None: as in the settings.
        topic_prefix: None: as in the settings.
        settings: for everything else; None: from the environment and the file.
    """

    def __init__(
        self, bootstrap: str | None, topic_prefix: str | None, settings: Settings | None
    ) -> None:
        given = {"bootstrap_servers": bootstrap, "topic_prefix": topic_prefix}
        given = {name: value for name, value in given.items() if value is not None}
        self.settings = settings.model_copy(update=given) if settings else Settings.load(**given)

    @abstractmethod
    async def start(self) -> None:
        """Connects."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnects."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
