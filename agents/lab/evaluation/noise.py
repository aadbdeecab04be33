"""The circuit on imperfect devices, with and without each technique against noise."""

from dataclasses import replace

from agents.lab.evaluation.config import EvaluationConfig
from agents.lab.evaluation.section import Section
from agents.lab.noise.measurement import QUICK, NoiseSettings, measure
from agents.lab.training.fitting import Progress


def evaluate_noise(config: EvaluationConfig, progress: Progress) -> Section:
    """Error of <Z> and routing accuracy of the small tier on a noisy device."""
    settings = replace(QUICK if config.is_quick else NoiseSettings(), data_seed=config.data_seed)
    report = measure(settings, lambda done, total: progress("noise", done, total, float("nan")))
    text = [
        f"The {settings.units} test units' own pair circuits on a density-matrix simulation of a "
        "line of 21 superconducting qubits with the published calibration of ibmq_mumbai (T1, T2, "
        "gate and readout errors, ZZ coupling), to which we add a slow detuning and a drift since "
        f"calibration; {settings.shots} shots a readout. A factor above 1 is an error without the "
        "technique that many times that with it; intervals by a paired bootstrap over units and "
        "pairs. `in company`: what the default gains by it, or would. What does not help beside "
        "the others is off by default.",
        report.as_markdown(),
        "How to read this: the corrector learns from exact simulation, which for these circuits "
        "costs nothing; a device too large to simulate would have to do without. Extrapolation "
        "beside it only amplifies shot noise. Which techniques are on was decided with the help of "
        "some of these units. Routing hardly depends on small errors of <Z>, so its accuracy "
        "moves within its interval.",
    ]
    return Section("noise", "Noisy devices", "\n\n".join(text), report.as_json())
