"""The report: Markdown, PNG figures and one JSON with every number behind them."""

import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agents.distiller.files import write_whole
from agents.lab.evaluation.cascade import evaluate_cascade
from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.distilling import evaluate_distilling
from agents.lab.evaluation.noise import evaluate_noise
from agents.lab.evaluation.pool import make_pool
from agents.lab.evaluation.real import evaluate_real
from agents.lab.evaluation.section import Section
from agents.lab.evaluation.unseen import evaluate_unseen
from agents.lab.evaluation.variants import benchmark_hybrid_vs_classical
from agents.lab.evaluation.work import Jobs, executor
from agents.lab.training.fitting import Progress, silent


@dataclass(frozen=True, slots=True)
class Report:
    """A report on disk."""

    markdown: Path
    figures: Path
    """The JSON."""
    sections: list[Section]
    seconds: float


def evaluate(
    config: EvaluationConfig, out: Path, command: str, progress: Progress = silent
) -> Report:
    """Measure every part and write the report into a folder.

    Args:
        config: what to spend.
        out: the folder; made where it is missing.
        command: what repeats this, for the report.
        progress: told of every piece of work.

    Raises:
        OSError: the folder cannot be made or written to.
    """
    started = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)  # whoever may not write there learns it now
    with ExitStack() as stack:
        folder = config.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        make_pool(config, folder, progress)
        jobs = Jobs(progress, stack.enter_context(executor(config.workers)))
        parts: list[Callable[[], Section]] = [
            lambda: evaluate_cascade(config, progress),
            lambda: benchmark_hybrid_vs_classical(config, folder, jobs),
            lambda: evaluate_distilling(config, folder, jobs),
            lambda: evaluate_unseen(config, folder, jobs),
            lambda: evaluate_noise(config, progress),
            lambda: evaluate_real(config, progress, jobs.executor),
        ]
        sections = [part() for part in parts]
    return write(out, sections, command, time.monotonic() - started)


def write(out: Path, sections: list[Section], command: str, seconds: float) -> Report:
    """Write Markdown, figures and JSON."""
    out.mkdir(parents=True, exist_ok=True)
    lines = [
        "# What the distiller is worth",
        f"Made by `{command}` in {seconds / 60:.0f} minutes on {os.cpu_count()} cores, with "
        f"Python {platform.python_version()}, torch {version('torch')} and PennyLane "
        f"{version('pennylane')}. Simulated units throughout, but for the last part. Every number "
        "is in `report.json`.",
    ]
    for section in sections:
        lines += [f"## {section.title}", section.text]
        for plot in section.plots:
            _draw(out / f"{plot.name}.png", plot.draw)
            lines.append(f"![{plot.caption}]({plot.name}.png)")
    markdown, figures = out / "report.md", out / "report.json"
    write_whole(markdown, ("\n\n".join(lines) + "\n").encode())
    numbers = {section.name: section.data for section in sections}
    whole = {"command": command, "seconds": round(seconds, 1), **numbers}
    text = json.dumps(whole, indent=1, default=float)
    write_whole(figures, (text + "\n").encode())
    return Report(markdown, figures, sections, seconds)


def _draw(path: Path, draw: Callable[[Any], None]) -> None:
    from matplotlib.figure import Figure  # takes a second to import

    # Without pyplot: no display, no global state.
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
