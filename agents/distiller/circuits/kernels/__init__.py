"""The exact circuits as machine code, for CPUs: what `compiled` calls.

`two_layers` is `closed_form` with its gradient, `any_depth` is `contraction`. Both work through
samples in blocks: a row of memory holds one quantity of one qubit for all samples of a block, and
every inner loop runs along rows, so that LLVM vectorises it. Imported on demand: numba takes a
quarter of a second to import, and each kernel some seconds to compile, once; then it is read from
numba's cache on disk.
"""
