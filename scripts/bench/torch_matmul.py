"""PyTorch's matmul at the sizes of tensor's BenchmarkNT, on a number of threads: python torch_matmul.py THREADS
Prints m k n GFLOP/s for each size, the median of runs during 2 seconds."""
import statistics, sys, time
import torch

torch.set_num_threads(int(sys.argv[1]))
for m, k, n in (1024, 576, 1536), (512, 768, 3072), (256, 4096, 4096):
    a, b = torch.rand(m, k) - 0.5, torch.rand(n, k) - 0.5
    c = torch.empty(m, n)
    times, end = [], time.perf_counter() + 2
    while time.perf_counter() < end:
        t = time.perf_counter()
        torch.mm(a, b.t(), out=c)
        times.append(time.perf_counter() - t)
    print(m, k, n, round(2 * m * k * n / statistics.median(times) / 1e9, 1))
