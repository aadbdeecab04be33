"""Running the pair circuits on noisy hardware, and what helps against the noise.

Read it in this order: `device` what a device does, in numbers; `schedule` when gates run;
`execution` the PennyLane transform that puts both into a circuit; `placement` which qubits;
`transfer` noisy values for many inputs, exactly; `corrector` what is learnt of the errors;
`encoding` all of it for one circuit; `measurement` and `report` what each technique is worth, with
`inputs` the only contact with the model.

Nothing of the pipeline imports this package: it needs PennyLane, which takes seconds to import.
"""
