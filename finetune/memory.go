package finetune

import (
	"fmt"
	"math"
	"math/bits"
	"os"
	"runtime"
	"runtime/metrics"
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
	// Gradients and Optimizer (its state, such as AdamW's moments) belong to the trained parameters.
	Gradients int `json:"gradients"`
	Optimizer int `json:"optimizer"`
	// Activations are the values of a micro-batch that are kept for the backward pass, and their gradients; or those of an
	// evaluation, if they are more. Their memory is used again and not given back.
	Activations int `json:"activations"`
	// Cache is the keys and values of the texts that an evaluation generates at once.
	Cache int `json:"cache"`
	// Scratch is what kernels pack matrices into.
	Scratch int `json:"scratch"`
	// Saving is the merged weights that a checkpoint of restarts (ReLoRA) is written from.
	Saving int `json:"saving"`
	// Data are the rows. Program is everything else that is used: code, tokenizer, records. Garbage is what the collector lets grow
	// besides, by GOGC.
	Data    int `json:"data"`
	Program int `json:"program"`
	Garbage int `json:"garbage"`

	// FilePages is how much of Weights and Program are pages of files, which the system drops where memory is short, and reads
	// again.
	FilePages int `json:"file_pages"`
	// Reading is the most that the process held before training, while it read and encoded the data; 0 if the system does not tell.
	Reading int `json:"reading"`
}

// Total returns the sum of the parts, or Reading if that is more: the peak of the process's resident memory (VmHWM on Linux).
func (m Memory) Total() int { return max(m.sum(), m.Reading) }

func (m Memory) sum() int {
	n := 0
	for _, p := range m.Parts() {
		n += p.Bytes
	}
	return n
}

// Anonymous returns the part of the sum that is not FilePages: what the system cannot drop (the peak of RssAnon on Linux).
func (m Memory) Anonymous() int { return m.sum() - m.FilePages }

// String returns the parts that are not zero, in MiB: "about 664 MiB (384 without pages of files): weights 257, adapter 9, …".
func (m Memory) String() string {
	var parts []string
	for _, p := range m.Parts() {
		if p.Bytes > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", p.Name, wording.MiB(p.Bytes)))
		}
	}
	reading := ""
	if m.Reading > m.sum() {
		reading = fmt.Sprintf(" before the first step, then %d", wording.MiB(m.sum()))
	}
	without := ""
	if m.FilePages > 0 {
		without = fmt.Sprintf(" (%d without pages of files)", wording.MiB(m.Anonymous()))
	}
	return fmt.Sprintf("about %d MiB%s%s: %s", wording.MiB(m.Total()), reading, without, strings.Join(parts, ", "))
}

// MemoryPart is a part of Memory and its size.
type MemoryPart struct {
	Name  string
	Bytes int
}

// Parts returns the parts in the order of the fields.
func (m Memory) Parts() []MemoryPart {
	return []MemoryPart{{"weights", m.Weights}, {"adapter", m.Adapter}, {"gradients", m.Gradients}, {"optimizer", m.Optimizer},
		{"activations", m.Activations}, {"cache", m.Cache}, {"scratch", m.Scratch}, {"saving", m.Saving}, {"data", m.Data}, {"program", m.Program}, {"garbage", m.Garbage}}
}

// EstimateMemory estimates the peak memory of training with micro-batches of a number of tokens. checkpointing says that layers are
// recomputed in the backward pass. What the process holds now, apart from weights, parameters and the optimizer's state, counts
// as Program.
func (t *Trainer) EstimateMemory(tokens int, checkpointing bool) Memory {
	m, trained := t.Model, 0
	for _, p := range t.Params {
		trained += 4 * p.Size()
	}
	f := m.Footprint(infer.AdapterName, t.Options.BF16)
	e := estimateParts(f, trained, t.Optimizer.StateBytes(), tokens, checkpointing)
	mapped, own := m.WeightMemory()
	e.Weights, e.FilePages = mapped+own, mapped
	if own >= trained && m.NumParameters()*4 == trained {
		e.Adapter = 0 // the trained parameters are the weights
	}
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	e.setProgram(max(0, int(now.HeapAlloc)-e.Adapter-e.Optimizer-own))
	return e
}

// estimateParts estimates all parts but Weights and Program. trained is the size of the trained parameters in bytes, state that of the
// optimizer's state.
func estimateParts(f model.Footprint, trained, state, tokens int, checkpointing bool) Memory {
	return Memory{Adapter: trained, Gradients: trained, Optimizer: state,
		Activations: arenaBytes(tokens * f.Training(checkpointing)), Scratch: scratchBytes(f, tokens)}
}

// arenaBytes is what the arena takes for a number of values: some of its memory lies between values that are held.
func arenaBytes(values int) int { return 4 * values * 21 / 20 }

// scratchBytes estimates what matrix products of a number of tokens pack their factors into.
func scratchBytes(f model.Footprint, tokens int) int {
	return 4*min(tokens*f.Widest, tensor.MaxPacked)*5/4 + tensor.Threads()<<21
}

// setProgram estimates Program, of which the code is pages of a file, and Garbage. rest is what the heap holds now besides the parts.
func (m *Memory) setProgram(rest int) {
	m.FilePages += codeBytes
	m.Program = codeBytes + runtimeBytes + rest
	m.setGarbage()
}

// setGarbage estimates Garbage from the other parts.
func (m *Memory) setGarbage() {
	live := m.live()
	m.Garbage = live * garbagePercent(live) / 100
}

// live is what the heap holds that is not garbage: activations and scratch memory lie outside of it.
func (m *Memory) live() int {
	return m.Anonymous() - m.Activations - m.Scratch - runtimeBytes - m.Garbage
}

// AddSums adds, to an estimate, the gradients that wait to be added to others, one for each level of the tree along which those of a
// step's micro-batches are summed, if the step has batchSize rows of average length. What is added to them takes as much again, or lies where
// activations were.
func (t *Trainer) AddSums(m *Memory, rows []tasks.Features, batchSize int) {
	all, largest := 0, 0
	for _, p := range t.Params {
		largest = max(largest, p.Size())
	}
	for _, r := range rows {
		all += r.Tokens()
	}
	row := all / max(len(rows), 1)
	step, leaf := row*batchSize, t.leaf*max(t.Options.MaxTokensPerMicroBatch, row)
	switch levels := bits.Len(uint(max(0, (step-1)/leaf))); {
	case !t.sum.lends:
		m.Gradients *= 1 + levels
	case levels > 0:
		m.Activations = max(m.Activations+4*largest, arenaBytes(m.Gradients/4))
		m.Gradients *= levels
	}
	m.setGarbage()
}

const (
	codeBytes    = 23 << 20 // the program's code and constants, as far as they are used
	runtimeBytes = 9 << 20  // what the Go runtime holds besides the heap, and free memory of the heap that it keeps

	// keptGarbage is up to how much garbage the collector lets grow on a large heap, or else a tenth of it.
	keptGarbage = 64 << 20

	maxGOGC = 1000 // that an estimate believes
)

// garbagePercent is the GOGC of a run: the process's own or, on a large heap, less. live is the size of what is not garbage. A GOGC of
// the environment stays as it is.
func garbagePercent(live int) int {
	now := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(now)
	if now[0].Value.Kind() != metrics.KindUint64 || now[0].Value.Uint64() > maxGOGC { // off: there is GOMEMLIMIT, or memory to spare
		return maxGOGC
	}
	own := int(now[0].Value.Uint64())
	if os.Getenv("GOGC") != "" || live == 0 {
		return own
	}
	return min(own, max(10, 100*keptGarbage/live))
}

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
