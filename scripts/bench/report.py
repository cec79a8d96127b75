"""Prints the medians and ratios of lines CASE SIDE TOKENS_PER_SECOND MIB PEAK_SHARE [TOKENS_PER_CPU_SECOND] as a table. SIDE is ours, or a name of
PyTorch's: torch, or bf16 and autocast, of which the faster one counts."""
import statistics, sys
rows = {}
for line in open(sys.argv[1]):
    case, side, *v = line.split(); rows.setdefault(case, {}).setdefault(side, []).append([float(x) for x in v] + [0] * (4 - len(v)))
print("| case | ours, tokens/s | PyTorch, tokens/s | ratio | by processor time | ours, MiB | PyTorch, MiB | ratio | share of the peak |\n|---|---|---|---|---|---|---|---|---|")
for case, sides in rows.items():
    med = lambda side, i: statistics.median(r[i] for r in sides[side])
    ours = f"| {case} | {med('ours', 0):.0f} |"
    others = [s for s in sides if s != "ours"]
    if others:
        ratio = lambda side, i: statistics.median(a[i] / b[i] for a, b in zip(sides["ours"], sides[side])) if med(side, i) else 0
        best = max(others, key=lambda s: med(s, 0))
        name = "" if best == "torch" else f" ({best})"
        cpu = min(ratio(s, 3) for s in others)
        print(f"{ours} {med(best, 0):.0f}{name} | {ratio(best, 0):.2f} | {f'{cpu:.2f}' if cpu else '–'} | {med('ours', 1):.0f} | {med(best, 1):.0f} | 1/{med(best, 1) / med('ours', 1):.1f} | {100 * med('ours', 2):.0f} % |")
    else:
        print(f"{ours} – | – | – | {med('ours', 1):.0f} | – | – | {100 * med('ours', 2):.0f} % |")
