"""The worker's core: batches of raw records in, published decisions and a committable frontier out.

It knows aiokafka's producer but nothing of Faust: whoever feeds it records can be replaced.
Follow a record: `intake` -> `generation` (join, distil, decide) -> `publisher` -> `frontier`.
"""
