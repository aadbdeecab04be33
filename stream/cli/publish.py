"""`regrade publish`: one file as one observation of one unit."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stream.cli.options import Bootstrap, Json, Prefix
from stream.cli.output import result

if TYPE_CHECKING:
    from stream.clients.station import Receipt

ModalityName = Literal["visual", "spectral", "text", "thermal", "acoustic", "battery"]


def moment(text: str) -> int:
    """Returns the ms since 1970 UTC of what was typed.

    Raises:
        typer.BadParameter: it is neither ISO 8601 with a time zone nor a number.
    """
    from schemas.errors import InvalidField
    from schemas.times import parse_time

    try:
        return int(text) if text.isdecimal() else parse_time("captured_at", text)
    except InvalidField as error:
        raise typer.BadParameter(str(error)) from error


def publish(
    unit_id: Annotated[str, typer.Argument(help="Which unit was seen.")],
    file: Annotated[
        Path, typer.Argument(help="Photo, spectrum, WAV, note, thermal grid or cycle table.")
    ],
    modality: Annotated[
        ModalityName | None, typer.Option(help="What it is, where the file does not tell.")
    ] = None,
    source: Annotated[str, typer.Option(help="The station's name.")] = "regrade-publish",
    captured_at: Annotated[
        int | None,
        typer.Option(
            parser=moment,
            metavar="TIME",
            help="ISO 8601 with a time zone, or ms since 1970. [default: now]",
        ),
    ] = None,
    observation_id: Annotated[
        str | None, typer.Option(help="Keep it when sending the same again. [default: a new one]")
    ] = None,
    unit: Annotated[
        Literal["nm", "cm-1"] | None, typer.Option(help="Of a spectrum's axis.")
    ] = None,
    language: Annotated[str, typer.Option(help="Of a note, as a BCP 47 tag.")] = "en",
    bootstrap_servers: Bootstrap = None,
    topic_prefix: Prefix = None,
    as_json: Json = False,
) -> int:
    """Send one file as one observation of a unit, and wait until the broker has it.

    .jpg .png: a photo. .wav: a recording, PCM or float. .txt .md: a note. .npy: a thermal grid in
    degrees C. .csv: a cycle table (cycle, capacity_ah, internal_resistance_ohm), a spectrum
    (position, intensity), or a thermal grid where --modality says so.
    """
    from stream.cli.files import read_file
    from stream.clients.station import Station
    from stream.settings import Settings

    settings = Settings.load(bootstrap_servers=bootstrap_servers, topic_prefix=topic_prefix)
    payload = read_file(file, modality=modality, unit=unit, language=language)

    async def send() -> "Receipt":
        async with Station(source=source, settings=settings) as station:
            return await station.publish(unit_id, payload, captured_at, observation_id)

    receipt = asyncio.run(send())
    if as_json:
        result({"unit_id": unit_id, "modality": payload.modality.value, **asdict(receipt)})
    else:
        typer.echo(
            f"{file.name} is {payload.modality.value} observation {receipt.observation_id} of"
            f" {unit_id}: {receipt.topic}[{receipt.partition}] at offset {receipt.offset}"
        )
    return 0
