"""MLX's mean of gradients over the processes of a job: milliseconds of each round, from rank 0.

mlx_average.py mpi|ring BYTES ROUNDS
"""

import json
import sys
import time

import mlx.core as mx
from mlx.nn import average_gradients

backend, size, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
world = mx.distributed.init(strict=True, backend=backend)
gradients = {"w": mx.ones(size // 4)}
mx.eval(gradients)
times = []
for _ in range(rounds + 1):
    mx.eval(mx.distributed.all_sum(mx.array(1.0)))
    start = time.perf_counter()
    mx.eval(average_gradients(gradients))
    times.append((time.perf_counter() - start) * 1000)
if world.rank() == 0:
    print(json.dumps(times[1:]))  # the first one warms up
