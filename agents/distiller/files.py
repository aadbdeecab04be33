"""Weights and checkpoints on disk: safetensors, whose header carries one JSON text. No pickle.

A weights file describes itself: the header says what network to build. Files appear whole or not
at all (written beside, then renamed).
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from agents.distiller.encoders import Shape
from agents.distiller.model import HybridCrossModalDistiller, ModelConfig
from schemas.decision import Tier
from schemas.errors import RegradeError
from schemas.modality import Modality

MODEL = "regrade-6m"
VERSION = "2"
"""What decisions say of the model that made them."""

WEIGHTS = Path(__file__).parent / "weights" / "regrade-6m.safetensors"
"""The weights that ship with the package; their model card lies beside them."""


class WeightsError(RegradeError):
    """A file of weights or a checkpoint that cannot be used. The message says what to do."""


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that nobody ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_bytes(data)
    beside.replace(path)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> str:
    """Write tensors and a JSON header; returns the sha256 of the file."""
    whole = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    # One key only: safetensors does not keep the order of several, and the hash would vary.
    data = safetensors.torch.save(whole, {"regrade": json.dumps(header, sort_keys=True)})
    write_whole(path, data)
    return hashlib.sha256(data).hexdigest()


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Tensors, header and sha256, all of the same bytes.

    Raises:
        WeightsError: there is no such file, or it is not one of ours.
    """
    try:
        data = path.read_bytes()
        tensors = safetensors.torch.load(data)
        length = int.from_bytes(data[:8], "little")
        header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["regrade"])
    except OSError as error:
        raise WeightsError(
            f"cannot read {path}: {error.strerror}; `regrade train` makes weights"
        ) from error
    except (SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(f"{path} is not a Regrade safetensors file: {error}") from error
    return tensors, cast(dict[str, Any], header), hashlib.sha256(data).hexdigest()


def save_model(path: Path, model: HybridCrossModalDistiller) -> str:
    """Write weights; returns the sha256 of the file."""
    return write_tensors(path, model.state_dict(), {"model": asdict(model.config)})


def load_model(path: Path) -> tuple[HybridCrossModalDistiller, str]:
    """Build the network that a weights file describes, in eval mode; and the file's sha256.

    Raises:
        WeightsError: the file cannot be read, or does not fit this version of the code.
    """
    tensors, header, sha256 = read_tensors(path)
    try:
        fields = header["model"]
        shapes: dict[Modality, Shape] = {
            Modality(m): tuple(shape) for m, shape in fields["shapes"].items()
        }
        with torch.random.fork_rng(devices=[]):  # initial values are drawn, then overwritten
            qubits = {Tier(tier): n for tier, n in fields["qubits"].items()}
            known = {"shapes": shapes, "qubits": qubits, "top": Tier(fields["top"])}
            model = HybridCrossModalDistiller(ModelConfig(**{**fields, **known}))
        model.load_state_dict(tensors)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{path} does not fit this version; train again: {error}") from error
    return model.eval(), sha256


def read_fingerprints(path: Path, modalities: Iterable[Modality]) -> dict[Modality, str]:
    """Which features of each modality a weights file was trained on, as the card beside it says.

    Raises:
        WeightsError: there is no card, or it does not say so of every modality.
    """
    card = path.with_suffix(".json")
    try:
        features = json.loads(card.read_text())["features"]
        return {modality: str(features[modality]) for modality in modalities}
    except OSError as error:
        raise WeightsError(
            f"cannot read {card}, the model card of {path.name}: {error.strerror}; `regrade train` "
            "writes both"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"{card} does not say which features the weights were trained on ({error!r}); "
            "train again"
        ) from error
