package finetune

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"unsafe"

	"github.com/spagotune/spagotune/evaluate"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/process"
	"github.com/spagotune/spagotune/internal/wording"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/optim"
	"github.com/spagotune/spagotune/tasks"
)

// checkpointModes are the values of gradient_checkpointing. An empty value means auto.
var checkpointModes = []string{"none", "block", "auto"}

// memoryLimit is how much memory a run may take; 0 bytes are no limit. ofMachine says that it is the machine's or the control group's, and
// not the key memory: pages that can be dropped do not count then.
type memoryLimit struct {
	bytes     int
	ofMachine bool
	prepack   bool // the run packs its matrices
}

// unlimited is the value of the key memory that lets a run take what it wants.
const unlimited = "unlimited"

// limit returns the limit of the key memory, without which it is the machine's.
func (m *MemorySpec) limit(machine func() int) (memoryLimit, error) {
	switch m.Limit {
	case unlimited:
		return memoryLimit{}, nil
	case "":
		return memoryLimit{bytes: machine(), ofMachine: true, prepack: m.Prepack}, nil
	}
	n, err := ParseSize(m.Limit)
	if err != nil {
		return memoryLimit{}, fmt.Errorf("memory: %w, or %s", err, unlimited)
	}
	return memoryLimit{bytes: n, prepack: m.Prepack}, nil
}

// memoryLimit is the limit of this run on this machine.
func (r *run) memoryLimit() (memoryLimit, error) {
	return r.config.Memory.limit(r.options.machineMemory())
}

// needs is what counts against the limit.
func (l memoryLimit) needs(e Memory) int {
	if l.ofMachine {
		return e.Anonymous()
	}
	return e.Total()
}

// admits says whether a run keeps to the limit.
func (l memoryLimit) admits(e Memory) bool { return l.bytes == 0 || l.needs(e) <= l.bytes }

// fitMemory decides whether layers are recomputed in the backward pass: with mode auto, only if the run would otherwise
// exceed the limit. A run that cannot keep to the limit is an ErrMemory that says what would help.
func fitMemory(mode string, limit memoryLimit, estimate func(checkpointing bool) Memory) (checkpointing bool, e Memory, err error) {
	checkpointing = mode == "block"
	e = estimate(checkpointing)
	if limit.admits(e) {
		return checkpointing, e, nil
	}
	if mode == "" || mode == "auto" {
		if e = estimate(true); limit.admits(e) {
			return true, e, nil
		}
		checkpointing = true
	}
	var with *Memory
	if b := estimate(true); !checkpointing && b.Total() < e.Total() {
		with = &b
	}
	return checkpointing, e, limit.exceeded(e, with)
}

// ErrMemory is wrapped by the error of a run that would take more memory than there is, or than the key memory allows.
var ErrMemory = errors.New("memory")

// exceeded is the error of a run that needs e. with, if not nil, is what it needs with gradient_checkpointing.
func (l memoryLimit) exceeded(e Memory, with *Memory) error {
	help := "a smaller slice_tokens or max_length, or a lower r, would help"
	switch {
	case with != nil:
		help = fmt.Sprintf("gradient_checkpointing: block would need about %d MiB; else %s", wording.MiB(with.Total()), help)
	case e.Adapter == 0 && e.Gradients+e.Optimizer > e.sum()/3:
		help = fmt.Sprintf("an adapter (method: lora) instead of method: full would save about %d MiB of gradients and optimizer", wording.MiB(e.Gradients+e.Optimizer))
	case e.Data > e.sum()/3:
		help = "streaming: true would help, or fewer data: the rows are kept in memory"
	}
	if l.prepack {
		help = "prepack: false would help; " + help
	}
	if !l.ofMachine {
		return fmt.Errorf("%w: %d MiB are allowed, but the run needs %s; %s", ErrMemory, wording.MiB(l.bytes), e, help)
	}
	return fmt.Errorf("%w: this machine, or the process's control group, has %d MiB, but the run needs %s; %s; memory: %s starts it all the same",
		ErrMemory, wording.MiB(l.bytes), e, help, unlimited)
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

// generated returns how many texts an evaluation generates at once, and how many tokens they can have in all; 0 if it generates none.
func (r *run) generated() (texts, tokens int) {
	g, ok := r.task.(tasks.Generator)
	kind := r.model.Head().Kind
	texts = min(r.config.Eval.Examples, len(r.evalRows), evaluate.GenerateBatch)
	if !ok || texts == 0 || kind != head.CausalLM && kind != head.Seq2SeqLM {
		return 0, 0
	}
	return texts, maxMicroBatchTokens(r.evalRows, texts, math.MaxInt) + texts*g.Generation().MaxNewTokens
}

// rowBytes is the memory of rows.
func rowBytes(rows []tasks.Features) int {
	n := cap(rows) * int(unsafe.Sizeof(tasks.Features{}))
	for _, r := range rows {
		if len(r.IDs) > 0 && len(r.Labels) == len(r.IDs) && &r.Labels[0] == &r.IDs[0] {
			n -= 4 * cap(r.Labels) // they share their memory
		}
		n += 4*(cap(r.IDs)+cap(r.TokenTypeIDs)+cap(r.Labels)+cap(r.FloatLabels)+cap(r.Weights)+cap(r.WordIDs)) + 8*(2*cap(r.Offsets)+cap(r.DocumentStarts)) + len(r.Source)
	}
	return n
}

// checkRandomWeights refuses, before they are drawn, random weights that alone are too much.
func (r *run) checkRandomWeights() error {
	limit, err := r.memoryLimit()
	if err != nil || r.config.Model.Path != "" || r.options.Session != nil || r.config.Model.Config.Empty() {
		return err
	}
	config, err := r.config.Model.Config.Read()
	if err != nil {
		return err
	}
	m, err := model.NewMeta(config)
	if err != nil {
		return err
	}
	if e := (Memory{Weights: 4 * m.NumParameters()}); !limit.admits(e) {
		return limit.exceeded(e, nil)
	}
	return nil
}

// checkWeights refuses, before anything is attached, a run of all parameters whose weights, gradients and optimizer alone are too much.
func (r *run) checkWeights() error {
	limit, err := r.memoryLimit()
	if err != nil || r.config.Method.Name != "full" {
		return err
	}
	rule, err := r.config.Train.optimizer()
	if err != nil {
		return err
	}
	mapped, _ := r.model.WeightMemory()
	n := 4 * r.model.NumParameters()
	if e := (Memory{Weights: mapped + n, Gradients: n, Optimizer: weightsState(r.model, rule, r.numRanks()), FilePages: mapped}); !limit.admits(e) {
		return limit.exceeded(e, nil)
	}
	return nil
}

// weightsState is the size of an optimizer's state where all weights of a model train, on that of the ranks which has most.
func weightsState(m *model.Model, rule optim.Rule, ranks int) int {
	tables := map[*model.Weight]bool{}
	m.Tables(func(w *model.Weight) { tables[w] = true })
	var state, bytes, owners []int
	m.Weights(func(w *model.Weight) {
		if w.Tied() == nil && !w.Buffer() {
			rows := 1
			if len(w.Shape) > 1 {
				rows = w.Shape[0]
			}
			n := optim.StateBytes(rule.State(rows, w.Size()/rows, tables[w]))
			state, bytes, owners = append(state, n), append(bytes, 4*w.Size()+n), append(owners, -1)
		}
	})
	shareOut(bytes, owners, ranks)
	all := make([]int, ranks)
	for i, owner := range owners {
		all[owner] += state[i]
	}
	return slices.Max(all)
}

// checkData refuses, before they are read, data whose files alone are too much: their records are kept in memory.
func (r *run) checkData() error {
	limit, err := r.memoryLimit()
	if err != nil {
		return err
	}
	var e Memory
	files := r.config.Task.EvalData
	if !r.config.Task.Streaming {
		files = slices.Concat(r.config.Task.Data, files)
	}
	for _, s := range files {
		if info, err := os.Stat(s.Path); err == nil && info.Mode().IsRegular() {
			e.Data += int(info.Size())
		}
	}
	if limit.admits(e) {
		return nil
	}
	return limit.exceeded(e, nil)
}

// planMemory estimates the memory of the run and decides how to keep it within the limit.
func (r *run) planMemory() error {
	limit, err := r.memoryLimit()
	if err != nil {
		return err
	}
	reading := process.PeakMemory()
	debug.FreeOSMemory() // garbage of reading and encoding the data
	micro := r.trainer.Options.MaxTokensPerMicroBatch
	tokens := maxMicroBatchTokens(r.rows, r.config.Train.batchSize(), micro)
	if r.config.Task.Streaming && !limit.ofMachine && limit.bytes > 0 { // a row that comes later may be longer
		tokens = min(r.config.Train.batchSize()*r.maxLength(), max(micro, r.maxLength()))
	}
	evalTokens := maxMicroBatchTokens(r.evalRows, len(r.evalRows), infer.EvalTokens(micro))
	r.trainer.Options.Checkpointing, r.result.Memory, err = fitMemory(r.config.Memory.GradientCheckpointing, limit, func(checkpointing bool) Memory {
		e := r.trainer.EstimateMemory(tokens, checkpointing)
		trained := e.Gradients
		r.trainer.AddSums(&e, r.rows, (r.config.Train.batchSize()+r.numRanks()-1)/r.numRanks())
		if r.numRanks() > 1 { // and the sum of all ranks, of the parameters that this one owns
			e.Gradients += trained / r.numRanks()
		}
		f := r.model.Footprint(infer.AdapterName, r.config.Train.BF16)
		e.Activations = max(e.Activations, arenaBytes(evalTokens*(f.Hidden+f.Forward)))
		e.Scratch = max(e.Scratch, scratchBytes(f, evalTokens))
		if r.config.Train.ReLoRASteps > 0 { // weights that adapters are merged into become float32, and are merged for each checkpoint
			r.adapter.BaseWeights(func(w *model.Weight) { e.Weights, e.Saving = e.Weights+4*w.Size(), e.Saving+4*w.Size() })
		}
		e.Cache, e.Reading = 4*f.CacheValues(r.generated()), reading
		e.Data = min(rowBytes(r.rows)+rowBytes(r.evalRows), e.Program)
		e.Program -= e.Data // which has all that is there now
		e.setGarbage()
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

// boundGarbage lets no more garbage grow than the estimate counts. The run's end undoes that.
func (r *run) boundGarbage() {
	before := debug.SetGCPercent(garbagePercent(r.result.Memory.live()))
	r.restoreGC = func() { debug.SetGCPercent(before) }
}
