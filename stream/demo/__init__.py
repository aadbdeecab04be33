"""A simulated line against a real broker: `regrade simulate`, and `regrade demo` around it.

`line` plans what stations send, `sender` sends it, `workers` are the processes that decide it
(`worker_log` tells what they are at), `watch` and `tally` follow what comes out, `board` and
`summary` show it.
"""
