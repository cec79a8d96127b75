"""Prints the medians and ratios of lines CASE SIDE(ours|torch) TOKENS_PER_SECOND MIB PEAK_SHARE as a table."""
import statistics, sys
rows = {}
for line in open(sys.argv[1]):
    case, side, *v = line.split(); rows.setdefault(case, {}).setdefault(side, []).append([float(x) for x in v])
print("| case | ours, tokens/s | PyTorch, tokens/s | ratio | ours, MiB | PyTorch, MiB | ratio | share of the peak |\n|---|---|---|---|---|---|---|---|")
for case, sides in rows.items():
    med = lambda side, i: statistics.median(r[i] for r in sides[side])
    if "torch" in sides:
        ratio = statistics.median(a[0] / b[0] for a, b in zip(sides["ours"], sides["torch"]))
        print(f"| {case} | {med('ours', 0):.0f} | {med('torch', 0):.0f} | {ratio:.2f} | {med('ours', 1):.0f} | {med('torch', 1):.0f} | 1/{med('torch', 1) / med('ours', 1):.1f} | {100 * med('ours', 2):.0f} % |")
    else:
        print(f"| {case} | {med('ours', 0):.0f} | – | – | {med('ours', 1):.0f} | – | – | {100 * med('ours', 2):.0f} % |")
