package optim

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/internal/suggest"
	"github.com/spagotune/spagotune/tensor"
)

// Rule is how an optimizer moves one parameter. It has no state of its own, so that one value serves any number of parameters.
type Rule interface {
	// State describes the tensors that are kept from step to step for a parameter [rows, cols]; they begin as zeros. A vector has
	// one row. embedding says that the parameter is a table of embeddings.
	State(rows, cols int, embedding bool) []StateSpec
	// Update moves a parameter. The result does not depend on the number of threads.
	Update(u *Update)
}

// Update is one step of one parameter.
type Update struct {
	// W is the parameter, G its gradient, which must not change.
	W, G tensor.Matrix
	// State are the tensors that the rule has asked for.
	State []StateTensor
	// Step counts the parameter's steps from 1.
	Step int
	// LR is the parameter's own learning rate in this step.
	LR, WeightDecay float64
}

// StateSpec is the name, the type (F32 or U8) and the shape of a tensor of state.
type StateSpec struct {
	Name  string
	DType checkpoint.DType
	Shape []int
}

// StateTensor is a tensor of state. One of Float32 and Uint8 has its values, by its type.
type StateTensor struct {
	StateSpec
	Float32 []float32
	Uint8   []uint8
}

func (s StateSpec) size() int {
	n := 1
	for _, extent := range s.Shape {
		n *= extent
	}
	return n
}

// StateBytes is the memory of a state.
func StateBytes(specs []StateSpec) int {
	n := 0
	for _, s := range specs {
		n += s.size() * s.DType.Size()
	}
	return n
}

func newState(specs []StateSpec) []StateTensor {
	all := make([]StateTensor, len(specs))
	for i, s := range specs {
		all[i].StateSpec = s
		if s.DType == checkpoint.DTypeU8 {
			all[i].Uint8 = make([]uint8, s.size())
		} else {
			all[i].Float32 = make([]float32, s.size())
		}
	}
	return all
}

// float32s is the spec of a tensor of float32.
func float32s(name string, shape ...int) StateSpec {
	return StateSpec{Name: name, DType: checkpoint.DTypeF32, Shape: shape}
}

// Settings say which optimizer, by Trainer's keys.
type Settings struct {
	// Optim is one of Names; "" is Default.
	Optim string
	// AdamBeta1, AdamBeta2 and AdamEpsilon are the constants of AdamW; Lion takes the betas.
	AdamBeta1, AdamBeta2, AdamEpsilon float64
	// OptimArgs are the optimizer's own settings, such as "momentum=0.9,nesterov=true".
	OptimArgs string
}

// Default is Trainer's optimizer.
const Default = "adamw_torch"

var registry = map[string]func(Settings, *Args) Rule{}

// Register makes an optimizer known by a name; the init of its file calls it. create takes what it needs of the settings, and reads
// all of its own in args. Register panics if the name is taken.
func Register(name string, create func(s Settings, args *Args) Rule) {
	if _, taken := registry[name]; taken || name == "" {
		panic("optim: the name " + strconv.Quote(name) + " is taken")
	}
	registry[name] = create
}

// Names lists the registered optimizers in alphabetical order.
func Names() []string { return slices.Sorted(maps.Keys(registry)) }

// otherNames are Trainer's names of optimizers that compute the same as one of Names, or have no other use here.
var otherNames = map[string]string{
	"adamw": "adamw_torch", "adamw_hf": "adamw_torch", "adamw_torch_fused": "adamw_torch", "paged_adamw": "adamw_torch", "paged_adamw_32bit": "adamw_torch",
	"adamw_bnb_8bit": "adamw_8bit", "paged_adamw_8bit": "adamw_8bit", "lion": "lion_32bit", "paged_lion_32bit": "lion_32bit",
}

// NewRule makes the rule that settings name. Their numbers are taken as they are: a beta of 0 is 0.
func NewRule(s Settings) (Rule, error) {
	name := s.Optim
	if name == "" {
		name = Default
	}
	create, ok := registry[name]
	if other := otherNames[name]; !ok && other != "" {
		return nil, fmt.Errorf("optim is %q; write %s, which is the same here", name, other)
	}
	if !ok {
		return nil, fmt.Errorf("optim is %q%s", name, suggest.Hint(name, Names()))
	}
	args, err := parseArgs(s.OptimArgs)
	if err != nil {
		return nil, err
	}
	rule := create(s, args)
	return rule, args.finish(name)
}

// Args are the settings of optim_args. An optimizer reads its own.
type Args struct {
	given map[string]string
	known []string
	err   error
}

// parseArgs parses key=value, key=value …
func parseArgs(text string) (*Args, error) {
	a := &Args{given: map[string]string{}}
	if strings.TrimSpace(text) == "" {
		return a, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(part, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if _, twice := a.given[key]; !ok || key == "" || twice {
			return nil, fmt.Errorf("optim_args: %q is not of the form key=value, each key once; want such as momentum=0.9,nesterov=true", text)
		}
		a.given[key] = value
	}
	return a, nil
}

// Float is the number that a key has, 0 if it is not given. A number below 0 is refused.
func (a *Args) Float(key string) float64 {
	text, ok := a.take(key)
	if !ok {
		return 0
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0) || math.IsInf(v, 1) {
		a.fail(fmt.Errorf("optim_args: %s is %q; want a number, 0 or more", key, text))
	}
	return v
}

// Bool is the value of a key, false if it is not given.
func (a *Args) Bool(key string) bool {
	text, ok := a.take(key)
	if !ok {
		return false
	}
	v, err := strconv.ParseBool(strings.ToLower(text))
	if err != nil {
		a.fail(fmt.Errorf("optim_args: %s is %q; want true or false", key, text))
	}
	return v
}

// Require notes that something is wrong unless ok holds.
func (a *Args) Require(ok bool, message string) {
	if !ok {
		a.fail(fmt.Errorf("optim_args: %s", message))
	}
}

func (a *Args) take(key string) (string, bool) {
	a.known = append(a.known, key)
	text, ok := a.given[key]
	return text, ok
}

func (a *Args) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}

// finish returns the first thing that is wrong, such as a key that the optimizer has not read.
func (a *Args) finish(optimizer string) error {
	for _, key := range slices.Sorted(maps.Keys(a.given)) {
		switch {
		case slices.Contains(a.known, key):
		case len(a.known) == 0:
			return fmt.Errorf("optim_args: %s has no settings of its own; leave %s out", optimizer, key)
		default:
			return fmt.Errorf("optim_args: %s has no key %q%s", optimizer, key, suggest.Hint(key, a.known))
		}
	}
	return a.err
}
