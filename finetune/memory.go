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

// Memory is the peak memory of training by part, in bytes.
type Memory struct {
	// Weights is the size of the model's weights as they are stored, Adapter that of the adapter's parameters.
	Weights int `json:"weights"`
	Adapter int `json:"adapter"`
	// Gradients and Optimizer (AdamW's moments) belong to the trained parameters.
	Gradients int `json:"gradients"`
	Optimizer int `json:"optimizer"`
	// Activations are the values of a micro-batch that are kept for the backward pass, and their gradients.
	Activations int `json:"activations"`
	// Scratch is what kernels pack matrices into. Program is everything else: code, tokenizer, data, garbage.
	Scratch int `json:"scratch"`
	Program int `json:"program"`
}

// Total returns the sum of the parts.
func (m Memory) Total() int {
	return m.Weights + m.Adapter + m.Gradients + m.Optimizer + m.Activations + m.Scratch + m.Program
}

// String returns the parts that are not zero, in MiB: "about 664 MiB: weights 257, adapter 9, …".
func (m Memory) String() string {
	var parts []string
	for _, p := range m.Parts() {
		if p.Bytes > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", p.Name, wording.MiB(p.Bytes)))
		}
	}
	return fmt.Sprintf("about %d MiB: %s", wording.MiB(m.Total()), strings.Join(parts, ", "))
}

// MemoryPart is a part of Memory and its size.
type MemoryPart struct {
	Name  string
	Bytes int
}

// Parts returns the parts in the order of the fields.
func (m Memory) Parts() []MemoryPart {
	return []MemoryPart{{"weights", m.Weights}, {"adapter", m.Adapter}, {"gradients", m.Gradients}, {"optimizer", m.Optimizer},
		{"activations", m.Activations}, {"scratch", m.Scratch}, {"program", m.Program}}
}

// EstimateMemory estimates the peak memory of training params with micro-batches of a number of tokens. checkpointing
// says that layers are recomputed in the backward pass. What the process holds now, apart from weights and params,
// counts as Program.
func EstimateMemory(m *model.Model, params []model.Param, tokens int, checkpointing bool) Memory {
	trained := 0
	for _, p := range params {
		trained += 4 * p.Size()
	}
	mapped, own := m.WeightMemory()
	e := estimateParts(m, trained, tokens, checkpointing)
	e.Weights = mapped + own
	if own >= trained && m.NumParameters()*4 == trained {
		e.Adapter = 0 // the trained parameters are the weights
	}
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	rest := max(0, int(now.HeapAlloc)-e.Adapter-e.Optimizer-own)
	e.setProgram(rest, own)
	return e
}

// estimateParts estimates all parts but Weights and Program. trained is the size of the trained parameters in bytes.
func estimateParts(m *model.Model, trained, tokens int, checkpointing bool) Memory {
	f := m.Footprint(infer.AdapterName)
	return Memory{Adapter: trained, Gradients: trained, Optimizer: 2 * trained,
		Activations: 4 * tokens * f.Training(checkpointing), Scratch: scratchBytes(f, tokens)}
}

// scratchBytes estimates what matrix products of a number of tokens pack their factors into.
func scratchBytes(f model.Footprint, tokens int) int {
	return 4*tokens*f.Widest*5/4 + tensor.Threads()<<20
}

// setProgram estimates Program. rest is what the process holds now, own the size of weights that are not memory-mapped.
func (m *Memory) setProgram(rest, own int) {
	live := rest + own + m.Adapter + m.Gradients + m.Optimizer
	m.Program = programBytes + rest + live*garbagePercent/100
}

const (
	programBytes   = 22 << 20 // the program's code and the Go runtime
	garbagePercent = 25       // garbage that the collector lets grow, of the memory in use
)

// ParseSize parses a number of bytes: 700MiB, 4GiB, 2GB, 512M (MiB), or a number alone.
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
		return 0, fmt.Errorf("%q is not a size; want one such as 700MiB, 4GiB or 2GB", text)
	}
	return int(v * unit), nil
}

// checkpointModes are the values of gradient_checkpointing. An empty value means auto.
var checkpointModes = []string{"none", "block", "auto"}

// fitMemory decides whether layers are recomputed in the backward pass: with mode auto, only if the run would otherwise
// exceed the limit. A limit of 0 means no limit. A run that cannot keep to the limit is an error that says what would
// help.
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
	return checkpointing, e, fmt.Errorf("memory: %d MiB are allowed, but the run needs %s; %s", wording.MiB(limit), e, help)
}

// maxMicroBatchTokens returns the largest number of tokens that a micro-batch can have. A micro-batch is whole rows
// with at most the given number of tokens; a longer row is a micro-batch of its own.
func maxMicroBatchTokens(rows []tasks.Features, batchSize, tokens int) int {
	longest := 0
	lengths := make([]int, len(rows))
	for i, r := range rows {
		lengths[i] = r.Tokens()
		longest = max(longest, lengths[i])
	}
	slices.Sort(lengths)
	largestBatch := 0
	for _, n := range lengths[max(0, len(lengths)-batchSize):] {
		largestBatch += n
	}
	return min(largestBatch, max(tokens, longest))
}

// planMemory estimates the memory of the run and decides how to keep it within the limit.
func (r *run) planMemory() error {
	limit, err := r.config.Memory.limit()
	if err != nil {
		return err
	}
	debug.FreeOSMemory() // garbage of reading and encoding the data
	micro := r.trainer.Options.MaxTokensPerMicroBatch
	tokens := maxMicroBatchTokens(r.rows, r.config.Train.batchSize(), micro)
	if r.config.Task.Streaming && limit > 0 { // a row that comes later may be longer
		tokens = min(r.config.Train.batchSize()*r.maxLength(), max(micro, r.maxLength()))
	}
	evalTokens := maxMicroBatchTokens(r.evalRows, len(r.evalRows), infer.EvalTokens(micro))
	r.trainer.Options.Checkpointing, r.result.Memory, err = fitMemory(r.config.Memory.GradientCheckpointing, limit, func(checkpointing bool) Memory {
		e := EstimateMemory(r.model, r.trainer.Params, tokens, checkpointing)
		f := r.model.Footprint(infer.AdapterName)
		e.Activations = max(e.Activations, 4*evalTokens*(f.Hidden+f.Forward))
		e.Scratch = max(e.Scratch, scratchBytes(f, evalTokens))
		if r.config.Train.ReLoRASteps > 0 { // weights that adapters are merged into become float32
			r.adapter.BaseWeights(func(w *model.Weight) { e.Weights += 4 * w.Size() })
		}
		return e
	})
	if err != nil {
		return err
	}
	with := ""
	if r.trainer.Options.Checkpointing {
		with = " (gradient_checkpointing: block)"
	}
	_, _ = fmt.Fprintf(r.options.Out, "memory: %s%s\n", r.result.Memory, with)
	return nil
}
