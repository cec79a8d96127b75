package finetune

import (
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/tasks"
	"github.com/spagotune/spagotune/tensor"
)

// Memory is what training holds at its peak, in bytes.
type Memory struct {
	// Weights are the model's, as they are kept; Adapter those that train beside them.
	Weights int `json:"weights"`
	Adapter int `json:"adapter"`
	// Gradients and Optimizer (AdamW's moments) go with the trained parameters.
	Gradients int `json:"gradients"`
	Optimizer int `json:"optimizer"`
	// Activations are the values of a slice, and their gradients.
	Activations int `json:"activations"`
	// Scratch is what kernels pack matrices into; Program all else: the program, its tokenizer and data, garbage.
	Scratch int `json:"scratch"`
	Program int `json:"program"`
}

// Total is the sum of the parts.
func (m Memory) Total() int {
	return m.Weights + m.Adapter + m.Gradients + m.Optimizer + m.Activations + m.Scratch + m.Program
}

// String is "about 664 MiB: weights 257, adapter 9 …", without the parts that are nothing.
func (m Memory) String() string {
	var parts []string
	for _, p := range m.Parts() {
		if p.Bytes > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", p.Name, wording.MiB(p.Bytes)))
		}
	}
	return fmt.Sprintf("about %d MiB: %s", wording.MiB(m.Total()), strings.Join(parts, ", "))
}

// MemoryPart is one of Memory's parts.
type MemoryPart struct {
	Name  string
	Bytes int
}

// Parts lists the parts.
func (m Memory) Parts() []MemoryPart {
	return []MemoryPart{{"weights", m.Weights}, {"adapter", m.Adapter}, {"gradients", m.Gradients}, {"optimizer", m.Optimizer},
		{"activations", m.Activations}, {"scratch", m.Scratch}, {"program", m.Program}}
}

// EstimateMemory is what training params takes at its peak, with slices of so many tokens. What the process holds by now counts
// as its program, but for the weights and params.
func EstimateMemory(m *model.Model, params []model.Param, tokens int, checkpointing bool) Memory {
	trained := 0
	for _, p := range params {
		trained += 4 * p.Size()
	}
	mapped, own := m.WeightMemory()
	e := estimateParts(m, trained, tokens, checkpointing)
	e.Weights = mapped + own
	if own >= trained && m.NumParameters()*4 == trained {
		e.Adapter = 0 // all weights train
	}
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	rest := max(0, int(now.HeapAlloc)-e.Adapter-e.Optimizer-own)
	e.setProgram(rest, own)
	return e
}

// estimateParts has all parts but the weights and the program, of trained bytes of parameters.
func estimateParts(m *model.Model, trained, tokens int, checkpointing bool) Memory {
	f := m.Footprint(infer.AdapterName)
	return Memory{Adapter: trained, Gradients: trained, Optimizer: 2 * trained,
		Activations: 4 * tokens * f.Training(checkpointing), Scratch: scratchBytes(f, tokens)}
}

// scratchBytes is what products of so many tokens pack their factors into.
func scratchBytes(f model.Footprint, tokens int) int {
	return 4*tokens*f.Widest*5/4 + tensor.Threads()<<20
}

// setProgram adds the program's part: rest is what it holds by now, own the weights outside of a checkpoint's map.
func (e *Memory) setProgram(rest, own int) {
	live := rest + own + e.Adapter + e.Gradients + e.Optimizer
	e.Program = programBytes + rest + live*garbagePercent/100
}

const (
	programBytes   = 22 << 20 // the program's code and its runtime
	garbagePercent = 25       // per cent of what is in use, as the garbage collector lets it grow
)

// ParseSize reads a number of bytes: 700MiB, 4GiB, 2GB, 512M (as MiB), or a bare number.
func ParseSize(text string) (int, error) {
	units := []struct {
		name string
		size float64
	}{{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
		{"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"t", 1 << 40}, {"b", 1}, {"", 1}}
	number, unit := strings.ToLower(strings.TrimSpace(text)), 0.0
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v > 0) || v*unit < 1 || v*unit > math.MaxInt64/2 {
		return 0, fmt.Errorf("%q is no size; want one such as 700MiB, 4GiB or 2GB", text)
	}
	return int(v * unit), nil
}

// checkpointModes are the values of gradient_checkpointing; "" is auto.
var checkpointModes = []string{"none", "block", "auto"}

// fitMemory decides whether layers are run again in the backward pass: where mode is auto, only if the run would not fit
// otherwise. A limit of 0 is none.
func fitMemory(mode string, limit int, estimate func(checkpointing bool) Memory) (checkpointing bool, e Memory, err error) {
	checkpointing = mode == "block"
	e = estimate(checkpointing)
	if limit == 0 || e.Total() <= limit {
		return checkpointing, e, nil
	}
	if mode == "" || mode == "auto" {
		if e = estimate(true); e.Total() <= limit {
			return true, e, nil
		}
		checkpointing = true
	}
	help := "a smaller slice_tokens or max_length, or a lower r, would help"
	if b := estimate(true); !checkpointing && b.Total() < e.Total() {
		help = fmt.Sprintf("gradient_checkpointing: block would need about %d MiB; else %s", wording.MiB(b.Total()), help)
	}
	return checkpointing, e, fmt.Errorf("memory: %d MiB are allowed, and the run needs %s; %s", wording.MiB(limit), e, help)
}

// maxMicroBatchTokens is the most tokens that a slice may have: slices are whole rows, and a row may be longer than asked for.
func maxMicroBatchTokens(rows []tasks.Features, window, tokens int) int {
	longest := 0
	lengths := make([]int, len(rows))
	for i, r := range rows {
		lengths[i] = r.Tokens()
		longest = max(longest, lengths[i])
	}
	slices.Sort(lengths)
	most := 0 // of a window
	for _, n := range lengths[max(0, len(lengths)-window):] {
		most += n
	}
	return min(most, max(tokens, longest))
}

// planMemory estimates the memory of the run and chooses how to keep to the limit.
func (r *run) planMemory() error {
	limit, err := r.c.Memory.limit()
	if err != nil {
		return err
	}
	debug.FreeOSMemory() // what reading and encoding left
	window, micro := r.c.Train.batch(), r.t.Options.MaxTokensPerMicroBatch
	tokens := maxMicroBatchTokens(r.rows, window, micro)
	held := maxMicroBatchTokens(r.evalRows, len(r.evalRows), infer.EvalTokens(micro))
	r.t.Options.Checkpointing, r.result.Memory, err = fitMemory(r.c.Memory.GradientCheckpointing, limit, func(checkpointing bool) Memory {
		e := EstimateMemory(r.m, r.t.Params, tokens, checkpointing)
		f := r.m.Footprint(infer.AdapterName)
		e.Activations = max(e.Activations, 4*held*(f.Hidden+f.Forward))
		e.Scratch = max(e.Scratch, scratchBytes(f, held))
		if r.c.Train.ReLoRASteps > 0 { // what adapters are folded into is float32
			r.a.BaseWeights(func(w *model.Weight) { e.Weights += 4 * w.Size() })
		}
		return e
	})
	if err != nil {
		return err
	}
	with := ""
	if r.t.Options.Checkpointing {
		with = " (gradient_checkpointing: block)"
	}
	_, _ = fmt.Fprintf(r.o.Out, "memory: %s%s\n", r.result.Memory, with)
	return nil
}
