#!/usr/bin/env python3
"""Fits the model of time of docs/scaling.md to measurements, and plans the LLaMA-2 7B rows of the MoRA paper with it.

    scripts/bench/scaling.py fit  ./finetune-mpi MODEL [--ranks 2]      on a quiet machine, some minutes; a line of JSON is the last one
    scripts/bench/scaling.py plan [--tflops 1] [--micro 512]

A step of m micro-batches on N ranks takes
    fixed + ceil(m / N) · micro + 2 · bytes · (N − 1) / N / bandwidth
fixed (optimizer and clipping) and micro (a micro-batch, with the addition of its gradient) are a least-squares line through the
processor time of steps of 1, 2, 4 and 8 micro-batches on one thread. Start-up is what the command takes besides its steps.
"""
import argparse
import json
import math
import os
import subprocess
import tempfile
import time

TOKENS = 512  # of a micro-batch that is measured


def line(points):
    """The least-squares line through points: intercept, slope, and the largest deviation relative to the value."""
    n, sx, sy = len(points), sum(x for x, _ in points), sum(y for _, y in points)
    slope = (n * sum(x * y for x, y in points) - sx * sy) / (n * sum(x * x for x, _ in points) - sx * sx)
    fixed = (sy - slope * sx) / n
    return fixed, slope, max(abs(fixed + slope * x - y) / y for x, y in points)


def bench(program, model, method, batch):
    began = time.time()
    out = subprocess.run([program, "bench", "--model", model, "--method", method, "--dense", str(TOKENS), "--slice-tokens", str(TOKENS), "--batch", str(batch),
                          "--steps", "3", "--threads", "1", "--json"], check=True, capture_output=True, text=True).stdout
    r = json.loads(out)
    return r, time.time() - began - sum(r["step_seconds"]) * 4 / 3  # a step is not timed


def train(program, model, ranks, folder):
    """Tokens per second of a run of 8 micro-batches a step, on one thread a rank, and what the ranks say of summing."""
    launcher = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)] if ranks > 1 else []
    out = subprocess.run(launcher + [program, "train", "--model", model, "--task", "text", "--method", "lora", "--set", "r=8", "--data", os.path.join(folder, "text.txt"), "--output",
                                     os.path.join(folder, f"ranks-{ranks}"), "--threads", "1", "--set", f"max_length={TOKENS}", "--set", f"slice_tokens={TOKENS}", "--set", "max_steps=4",
                                     "--set", "logging_steps=4", "--set", f"per_device_train_batch_size={8 // ranks}"], check=True, capture_output=True, text=True).stdout
    with open(os.path.join(folder, f"ranks-{ranks}", "metrics.jsonl")) as f:
        speed = [json.loads(x)["tokens_per_second"] for x in f if "tokens_per_second" in x][-1]
    return speed, [x for x in out.splitlines() if x.startswith("ranks:")]


def fit(o):
    found = {}
    for method in ("lora", "full"):
        points, starts = [], []
        for batch in (1, 2, 4, 8):
            r, start = bench(o.program, o.model, method, batch)
            points.append((batch, r["cpu_seconds"] / len(r["step_seconds"])))
            starts.append(start)
            print(f"{method}: {batch} micro-batches of {TOKENS} tokens: {points[-1][1]:.2f} s of a processor, {min(r['step_seconds']):.2f} s at least", flush=True)
        fixed, micro, off = line(points)
        found[method] = {"fixed": fixed, "micro": micro, "deviation": off, "bytes": 4 * r["trainable_parameters"], "startup": min(starts)}
        print(f"{method}: fixed {fixed:.3f} s, {micro:.3f} s a micro-batch, off by up to {100 * off:.1f} %", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "text.txt"), "w") as f:
            f.write("\n".join(f"Line {i} of a text that says nothing, {i * i % 97} times." for i in range(4000)))
        one, _ = train(o.program, o.model, 1, folder)
        several, said = train(o.program, o.model, o.ranks, folder)
    found["speedup"] = {"ranks": o.ranks, "one": one, "all": several}
    print(f"{o.ranks} ranks: {several / one:.2f} times one process ({several:.0f} and {one:.0f} tokens a second); {'; '.join(said)}")
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
    f.add_argument("--ranks", type=int, default=2)
    p = verbs.add_parser("plan")
    p.add_argument("--tflops", type=float, default=1, help="what a machine sustains")
    p.add_argument("--micro", type=int, default=512, help="tokens of a micro-batch")
    o = parser.parse_args()
    fit(o) if o.verb == "fit" else plan(o)


if __name__ == "__main__":
    main()
