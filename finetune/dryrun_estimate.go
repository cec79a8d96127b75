package finetune

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/optim"
	"github.com/spagotune/spagotune/tensor"
)

// assumedMFU is the model FLOP utilization that is assumed if training cannot be timed: what bench measured for
// SmolLM2-135M (docs/performance.md).
const assumedMFU = 0.5

// estimate plans a run that lacks its model or its data, from the model's shape.
func (p *Plan) estimate(ctx context.Context, c Config, known fs.FS, o Options) error {
	config, err := c.modelConfig(known)
	if err != nil {
		return err
	}
	m, err := model.NewMeta(config)
	if err != nil {
		return err
	}
	p.Parameters = m.NumParameters()
	trains, err := countTrainable(ctx, m, c)
	if err != nil {
		return err
	}
	p.Trainable = trains.parameters
	length := c.maxRowLength(m.Config().MaxPositionEmbeddings)
	p.Steps = c.Train.MaxSteps
	p.Tokens, p.AtMost = p.Steps*p.BatchSize*length, true
	p.estimateTime(m, c.Method.Name == "full")
	limit, err := c.Memory.limit(o.machineMemory())
	if err != nil {
		return err
	}
	micro := cmp.Or(c.Train.MaxTokensPerMicroBatch, infer.DefaultMicroBatchTokens(m))
	err = p.estimateMemory(c, m, trains.state, min(p.BatchSize*length, max(length, micro)), limit)
	if errors.Is(err, ErrMemory) && limit.ofMachine { // the run, which lacks inputs here, may be planned for another machine
		p.Missing, err = append(p.Missing, err.Error()), nil
	}
	return err
}

// estimateMemory estimates the memory of the run; state is that of the optimizer. Frozen weights are assumed to take two bytes each,
// in a file.
func (p *Plan) estimateMemory(c Config, m *model.Model, state, tokens int, limit memoryLimit) (err error) {
	f := m.Footprint(infer.AdapterName, c.Train.BF16)
	p.Checkpointing, p.Memory, err = fitMemory(c.Memory.GradientCheckpointing, limit, func(checkpointing bool) Memory {
		e := estimateParts(f, 4*p.Trainable, state, tokens, checkpointing)
		e.Weights = 2 * p.Parameters
		if e.FilePages = e.Weights; c.Method.Name == "full" {
			e.Weights, e.Adapter = 6*p.Parameters, 0
		}
		e.setProgram(0)
		return e
	})
	return err
}

// machinePeak returns tensor.Peak, in GFLOP/s of one thread, measured once.
var machinePeak = sync.OnceValue(tensor.Peak)

// estimateTime estimates the time from the machine's multiply-add peak. FLOP are counted as in bench.Result.MFU.
func (p *Plan) estimateTime(m *model.Model, full bool) {
	products := 2.0
	if full {
		products = 3
	}
	flop := 0.0
	m.Linears(func(l *model.Linear) { flop += 2 * products * float64(l.Weight.Size()) * float64(p.Tokens) })
	peak := machinePeak()
	p.Seconds = flop / (float64(tensor.Threads()) * peak * 1e9 * assumedMFU)
	p.TimeBasis = fmt.Sprintf("not timed: estimated from this machine's multiply-add peak, %.0f GFLOP/s on each of %d threads, of which SmolLM2-135M uses half", peak, tensor.Threads())
}

// maxRowLength returns the largest number of tokens that a row can have.
func (c *Config) maxRowLength(positions int) int {
	n := positions
	if c.Task.MaxLength > 0 {
		n = min(n, c.Task.MaxLength)
	}
	if b, ok := c.Task.Options["block_size"].(uint64); ok {
		n = min(n, int(b))
	}
	return n
}

// modelConfig returns the config.json of the run's model: from its folder or, if it is missing, from known.
func (c *Config) modelConfig(known fs.FS) ([]byte, error) {
	if c.Model.Path == "" {
		return c.Model.Config.Read()
	}
	dir, err := infer.ModelDir(c.Model.Path)
	if err == nil && exists(dir) == nil {
		return model.ReadConfig(dir)
	}
	name := strings.ToLower(filepath.Base(c.Model.Path))
	raw, err := fs.ReadFile(known, name+".json")
	if errors.Is(err, fs.ErrNotExist) {
		names, _ := fs.Glob(known, "*.json")
		_, err := model.ReadConfig(dir) // says what the name may be
		return nil, fmt.Errorf("%w. A plan can be made without the model where its shape is known; known are %s", err,
			strings.ReplaceAll(strings.Join(names, ", "), ".json", ""))
	}
	return raw, err
}

// trainable counts the parameters that train, and the bytes of the optimizer's state for them.
type trainable struct{ parameters, state int }

// countTrainable counts what would train. Unless a setting singles out layers, it attaches
// the adapter to models of one and of two layers and extrapolates, which is faster for a large model.
func countTrainable(ctx context.Context, m *model.Model, c Config) (t trainable, err error) {
	rule, err := c.Train.optimizer()
	if err != nil {
		return t, err
	}
	if c.Method.Name == "full" {
		return trainable{m.NumParameters(), weightsState(m, rule, 1)}, nil
	}
	layers := m.Config().NumHiddenLayers
	whole := layers < 3
	for _, k := range []string{"layers_to_transform", "rank_pattern", "exclude_modules"} {
		whole = whole || c.Method.Settings[k] != nil
	}
	if _, expr := c.Method.Settings["target_modules"].(string); expr {
		whole = true
	}
	if whole {
		return countAttached(ctx, m, c, rule)
	}
	var counts [2]trainable
	for i := range counts {
		small, err := withLayers(m.ConfigJSON, i+1)
		if err != nil {
			return t, err
		}
		if small.Config().NumHiddenLayers != i+1 {
			return countAttached(ctx, m, c, rule)
		}
		if counts[i], err = countAttached(ctx, small, c, rule); err != nil {
			return t, err
		}
	}
	more := func(one, two int) int { return one + (layers-1)*(two-one) }
	return trainable{more(counts[0].parameters, counts[1].parameters), more(counts[0].state, counts[1].state)}, nil
}

// withLayers returns a model without weights, of the shape of a config.json but with another number of layers.
func withLayers(config []byte, layers int) (*model.Model, error) {
	var keys map[string]any
	if err := json.Unmarshal(config, &keys); err != nil {
		return nil, err
	}
	keys["num_hidden_layers"] = layers
	raw, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	return model.NewMeta(raw)
}

// countAttached attaches the adapter, counts what would train and detaches it.
func countAttached(ctx context.Context, m *model.Model, c Config, rule optim.Rule) (t trainable, err error) {
	method, err := c.Method.method()
	if err != nil {
		return t, err
	}
	a, err := adapter.Attach(ctx, m, infer.AdapterName, method, 0)
	if err != nil {
		return t, err
	}
	defer a.Detach()
	embedding := embeddingsOf(m, infer.AdapterName)
	for _, p := range a.Params() {
		t.state += optim.StateBytes(rule.State(op.Data(p.Param).Rows, op.Data(p.Param).Cols, embedding(p)))
	}
	t.parameters = a.NumTrainable()
	return t, nil
}
