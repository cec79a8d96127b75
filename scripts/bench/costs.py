"""What LoRA and MoRA cost, here and in PyTorch, as the table of docs/mora.md:
    PYTHON scripts/bench/costs.py MODEL_DIR [ROUNDS] [THREADS] [RANKS]
PYTHON has torch, transformers and peft. Sides and methods take turns in each round; the medians of all rounds (5 by default) are printed. Nothing
else should be running. RANKS is 8,64,256 by default. What is measured, in float32: a training step of 4 rows of 64 random tokens after one that is not
timed, and the peak memory of it (here in every round, in PyTorch once, alone in a process); merging, from the folders of model and adapter to the merged
folder; 8 tokens by greedy decoding after a prompt of 32, with the adapter unmerged; and the adapter's file."""
import json, os, shutil, statistics, subprocess, sys, tempfile, time

model, rounds, threads = os.path.abspath(sys.argv[1]), int((sys.argv[2:3] or ["5"])[0]), (sys.argv[3:4] or ["2"])[0]
ranks = [int(r) for r in (sys.argv[4:5] or ["8,64,256"])[0].split(",")]
here = os.path.dirname(os.path.abspath(__file__))
dir = tempfile.mkdtemp()
os.environ.update(TMPDIR=dir, OMP_NUM_THREADS=threads)
program = dir + "/finetune"
subprocess.run(["go", "build", "-C", here + "/../..", "-o", program, "./cmd/finetune"], check=True)
METHODS = {"lora": ["method: lora"], "mora6": ["method: mora", "mora_type: 6"]}
figures = {}  # by (rank, figure, method, side): a value for each round


def add(r, figure, method, side, value):
    figures.setdefault((r, figure, method, side), []).append(value)
    print(r, figure, method, side, value, file=sys.stderr, flush=True)


def run(*args):
    return subprocess.run([program, *args, "--threads", threads], check=True, capture_output=True, text=True).stdout


def adapter(method, r, save_format=None):
    """Trains an adapter for a step and returns its folder."""
    out = f"{dir}/{method}-{r}-{save_format}"
    recipe = [f"model: {model}", "task: memory", "task_options: {pairs: 1}", f"r: {r}", "max_steps: 1", "per_device_train_batch_size: 1", "eval_steps: 0", *METHODS[method]]
    if save_format:
        recipe.append(f"save_format: {save_format}")
    with open(out + ".yaml", "w") as f:
        f.write("\n".join(recipe) + "\n")
    run("train", out + ".yaml", "--output", out)
    return out


def size(folder):
    return os.path.getsize(folder + "/adapter_model.safetensors")


def ours(method, r, folder):
    b = json.loads(run("bench", "--model", model, "--dense", "64", "--batch", "4", "--steps", "1", "--method", method, "--r", str(r), "--json"))
    add(r, "train", method, "here", b["tokens_per_second"])
    add(r, "memory", method, "here", b["peak_bytes"] / 2**20)
    add(r, "decode", method, "here", json.loads(run("bench", "--model", model, "--decode", "9", "--prompt-tokens", "32", "--adapter", folder, "--json"))["decode_tokens_per_second"])
    began = time.perf_counter()
    run("merge", "--model", model, "--adapter", folder, "--output", dir + "/merged")
    add(r, "merge", method, "here", time.perf_counter() - began)
    shutil.rmtree(dir + "/merged")


def theirs(method, r):
    worker.stdin.write(f"{method} {r}\n"); worker.stdin.flush()
    for figure, value in json.loads(worker.stdout.readline()).items():
        add(r, figure, method, "PyTorch", value)


torch_costs = [sys.executable, here + "/torch_costs.py", model, threads]
worker = subprocess.Popen(torch_costs, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
folders = {(m, r): adapter(m, r) for r in ranks for m in METHODS}
for (m, r), folder in folders.items():
    add(r, "bytes", m, "here", size(folder))
    add(r, "memory", m, "PyTorch", float(subprocess.run([*torch_costs, m, str(r)], check=True, capture_output=True, text=True).stdout))
once = {r: size(adapter("mora6", r, "lora_A")) for r in ranks}
for _ in range(rounds):
    for r in ranks:
        for m in METHODS:
            ours(m, r, folders[m, r])
            theirs(m, r)
worker.stdin.close()
worker.wait()
shutil.rmtree(dir)

SHOWN = {"train": ("training, tokens/s", "{:.0f}"), "memory": ("training, peak MiB", "{:,.0f}"), "merge": ("merging, s", "{:.1f}"),
         "decode": ("decoding unmerged, tokens/s", "{:.1f}"), "bytes": ("file, bytes", "{:,.0f}")}
print("| r | | LoRA, here | MoRA, here | LoRA, PyTorch | MoRA, PyTorch |\n|---|---|---|---|---|---|")
for r in ranks:
    for figure, (name, form) in SHOWN.items():
        cells = [form.format(statistics.median(figures[r, figure, m, side])) for side in ("here", "PyTorch") for m in METHODS]
        if figure == "bytes":
            cells[1] += f" ({once[r]:,} with save_format: lora_A)"
        print(f"| {r} | {name} | " + " | ".join(cells) + " |")
