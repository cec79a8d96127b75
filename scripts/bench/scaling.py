#!/usr/bin/env python3
"""Fits the model of time of docs/scaling.md to measurements, and plans the LLaMA-2 7B rows of the MoRA paper with it.

    scripts/bench/scaling.py fit     ./finetune-mpi MODEL                           on a quiet machine, some minutes; a line of JSON is the last one
    scripts/bench/scaling.py speedup ./finetune-mpi MODEL gsm8k/train.jsonl [--ranks 2] [--rounds 5]
    scripts/bench/scaling.py plan [--tflops 1] [--micro 512]

A step of m micro-batches on N ranks takes
    fixed + ceil(m / N) · micro + 2 · bytes · (N − 1) / N / bandwidth
fixed (optimizer and clipping) and micro (a micro-batch, with the addition of its gradient) are a line through the
processor time of steps of 1, 2 and 4 micro-batches on one thread. Start-up is what the command takes besides its steps.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import tempfile
import time

TOKENS = 512  # of a micro-batch that is measured


def line(points):
    """The line through points with the least squares of relative deviations: intercept, slope, and the largest deviation."""
    w = [1 / y**2 for _, y in points]
    n, sx, sy = sum(w), sum(v * x for v, (x, _) in zip(w, points)), sum(v * y for v, (_, y) in zip(w, points))
    sxx, sxy = sum(v * x * x for v, (x, _) in zip(w, points)), sum(v * x * y for v, (x, y) in zip(w, points))
    slope = (n * sxy - sx * sy) / (n * sxx - sx * sx)
    fixed = (sy - slope * sx) / n
    return fixed, slope, max(abs(fixed + slope * x - y) / y for x, y in points)


def bench(program, model, method, batch):
    began = time.time()
    out = subprocess.run([program, "bench", "--model", model, "--method", method, "--dense", str(TOKENS), "--slice-tokens", str(TOKENS), "--batch", str(batch),
                          "--steps", "3", "--threads", "1", "--json"], check=True, capture_output=True, text=True).stdout
    r = json.loads(out)
    return r, time.time() - began - sum(r["step_seconds"]) * 4 / 3  # a step is not timed


def train(program, model, data, ranks, folder):
    """Tokens per second of 3 steps of 16 rows of GSM8K, on one thread a rank, and what the ranks say of summing."""
    launcher = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)] if ranks > 1 else []
    root = {x + "_ALLOW_RUN_AS_ROOT" + y: "1" for x in ("OMPI", "PRTE") for y in ("", "_CONFIRM")}  # Open MPI asks for it in a container
    out = subprocess.run(launcher + [program, "train", "--model", model, "--task", "math", "--method", "lora", "--set", "r=8", "--data", data, "--output", os.path.join(folder, f"ranks-{ranks}"),
                                     "--overwrite", "--threads", "1", "--set", f"slice_tokens={TOKENS}", "--set", "task_options.eval_size=0", "--set", "max_steps=3", "--set", "logging_steps=3",
                                     "--set", f"per_device_train_batch_size={16 // ranks}"], check=True, capture_output=True, text=True, env={**os.environ, **root}).stdout
    with open(os.path.join(folder, f"ranks-{ranks}", "metrics.jsonl")) as f:
        speed = [json.loads(x)["tokens_per_second"] for x in f if "tokens_per_second" in x][-1]
    return speed, [x for x in out.splitlines() if x.startswith("ranks:")]


def speedup(o):
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(o.rounds):
            one, _ = train(o.program, o.model, o.data, 1, folder)
            several, said = train(o.program, o.model, o.data, o.ranks, folder)
            ratios.append(several / one)
            print(f"round {i + 1}: {several:.0f} and {one:.0f} tokens a second, {ratios[-1]:.2f} times; {'; '.join(said)}", flush=True)
    print(f"{o.ranks} ranks: {statistics.median(ratios):.2f} times one process, the median of {o.rounds} rounds")


def fit(o):
    found = {}
    for method in ("lora", "full"):
        points, starts = [], []
        for batch in (1, 2, 4):
            r, start = bench(o.program, o.model, method, batch)
            points.append((batch, r["cpu_seconds"] / len(r["step_seconds"])))
            flop = r["peak_share"] * r["float32_peak_gflops"] * statistics.median(r["step_seconds"])  # of a step on one thread, in 10^9
            starts.append(start)
            print(f"{method}: {batch} micro-batches of {TOKENS} tokens: {points[-1][1]:.2f} s of a processor, {min(r['step_seconds']):.2f} s at least", flush=True)
        fixed, micro, off = line(points)
        found[method] = {"fixed": fixed, "micro": micro, "deviation": off, "bytes": 4 * r["trainable_parameters"], "startup": min(starts), "gflops": flop / batch / micro}
        print(f"{method}: fixed {fixed:.3f} s, {micro:.3f} s a micro-batch ({found[method]['gflops']:.0f} GFLOP/s a processor), off by up to {100 * off:.1f} %", flush=True)
    print(json.dumps(found))


def plan(o):
    frozen, layers, width, ffn = 6.6e9, 32, 4096, 11008
    a_rank = layers * (4 * 2 * width + 3 * (width + ffn))  # LoRA parameters for each unit of r; MoRA's matrix has as many
    steps, tokens = 3125, 32000
    m = math.ceil(tokens / o.micro)
    print(f"{steps} steps of {tokens} tokens, {m} micro-batches of {o.micro}; {o.tflops} TFLOP/s a machine\n")
    print("| machines | days, r = 8, 10 Gbit/s | days, r = 256, 10 Gbit/s | days, r = 256, 100 Gbit/s | summing, r = 256, 10 Gbit/s | MiB a rank besides weights, r = 8 | r = 256 |")
    print("|---|---|---|---|---|---|---|")
    for n in (1, 2, 4, 8, 16, 32, 64, 128, 256):
        cells, share, memory = [], 0, []
        for r, gbit in ((8, 10), (256, 10), (256, 100)):
            p = a_rank * r
            compute = math.ceil(m / n) * (4 * frozen + 6 * p) * o.micro / (o.tflops * 1e12)
            network = 2 * 4 * p * (n - 1) / n / (gbit * 1e9 / 8)
            cells.append(f"{steps * (compute + network) / 86400:.1f}")
            if (r, gbit) == (256, 10):
                share = network / (compute + network)
            if gbit == 10:
                waiting = math.ceil(math.log2(math.ceil(m / n))) if m > n else 0
                own = p / n if n > 1 else 0
                memory.append(f"{4 * (p * (2 + waiting) + 2 * p / n + own) / 2**20:,.0f}")
        print(f"| {n} | {' | '.join(cells)} | {100 * share:.0f} % | {' | '.join(memory)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    f = verbs.add_parser("fit")
    f.add_argument("program")
    f.add_argument("model")
    u = verbs.add_parser("speedup")
    u.add_argument("program")
    u.add_argument("model")
    u.add_argument("data")
    u.add_argument("--ranks", type=int, default=2)
    u.add_argument("--rounds", type=int, default=5)
    p = verbs.add_parser("plan")
    p.add_argument("--tflops", type=float, default=1, help="what a machine sustains")
    p.add_argument("--micro", type=int, default=512, help="tokens of a micro-batch")
    o = parser.parse_args()
    {"fit": fit, "speedup": speedup, "plan": plan}[o.verb](o)


if __name__ == "__main__":
    main()
