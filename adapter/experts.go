package adapter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// ParameterTargeter is implemented by a method whose settings choose parameters of mixtures of experts, beside modules.
type ParameterTargeter interface {
	// TargetedParameters are the ends of their paths, such as "mlp.experts.down_proj".
	TargetedParameters() []string
}

var _ ParameterTargeter = (*LoRA)(nil)

// TargetedParameters implements ParameterTargeter.
func (c *LoRA) TargetedParameters() []string { return c.TargetParameters }

// parametersOf are the parameters that a method's settings choose.
func parametersOf(m Method) []string {
	if p, ok := m.(ParameterTargeter); ok {
		return p.TargetedParameters()
	}
	return nil
}

// namesExperts says whether a name is the end of an experts' parameter.
func (r *resolver) namesExperts(name string) bool {
	found := false
	r.m.Experts(func(l *model.Linear) {
		parameter, _, _ := l.Weight.Entry()
		found = found || endsIn(parameter, name)
	})
	return found
}

// findExperts collects the layers of experts that target_parameters chooses, and notes the names that match nothing.
func (r *resolver) findExperts(names []string) {
	if len(names) == 0 {
		return
	}
	var all []string
	found := map[string]bool{}
	r.m.Experts(func(l *model.Linear) {
		parameter, _, _ := l.Weight.Entry()
		all = append(all, parameter)
		for _, n := range names {
			if endsIn(parameter, n) {
				found[n] = true
				r.targets.layers = append(r.targets.layers, l)
				return
			}
		}
	})
	slices.Sort(all)
	all = slices.Compact(all)
	for _, n := range names {
		if !found[n] {
			r.miss("target_parameters", "parameter matches", n, all)
		}
	}
}

// expertStack are the adapters of one parameter: of all experts' layers of a kind.
type expertStack struct {
	parameter string
	layers    []*lora
}

// expertTensors are the tensors of adapters on experts, as PEFT has them: lora_A and lora_B of a parameter hold those of all
// experts. A's rows go expert by expert, B's columns rank by rank. Where two parameters of a module are adapted PEFT wraps it
// twice: gate_up_proj's wrapper is the inner one.
func (a *Adapter) expertTensors() []StoredTensor {
	var stacks []*expertStack
	wraps := map[string]int{}
	for _, l := range a.layers {
		parameter, i, n := l.Weight.Entry()
		low, ok := l.Adapter.(*lora)
		if n == 0 || !ok {
			continue
		}
		at := slices.IndexFunc(stacks, func(s *expertStack) bool { return s.parameter == parameter })
		if at < 0 {
			at = len(stacks)
			stacks = append(stacks, &expertStack{parameter, make([]*lora, n)})
			wraps[moduleOf(parameter)]++
		}
		stacks[at].layers[i] = low
	}
	var all []StoredTensor
	for _, s := range stacks {
		path := moduleOf(s.parameter)
		if wraps[path] > 1 && strings.HasSuffix(s.parameter, ".gate_up_proj") {
			path += ".base_layer"
		}
		all = append(all, s.tensors(prefix+path)...)
	}
	return all
}

// moduleOf is the path of the module that has a parameter.
func moduleOf(parameter string) string { return parameter[:strings.LastIndexByte(parameter, '.')] }

// tensors are lora_A and lora_B of the parameter.
func (s *expertStack) tensors(path string) []StoredTensor {
	n := len(s.layers)
	a, b := op.Data(s.layers[0].a), op.Data(s.layers[0].b)
	r, in, out := a.Rows, a.Cols, b.Rows
	return []StoredTensor{
		{Name: path + ".lora_A.weight", Shape: []int{n * r, in}, Param: s.layers[0].a,
			Pack: func() []float32 {
				var v []float32
				for _, l := range s.layers {
					v = append(v, op.Data(l.a).Data...)
				}
				return v
			},
			Unpack: func(v []float32) {
				for e, l := range s.layers {
					copy(op.Data(l.a).Data, v[e*r*in:(e+1)*r*in])
				}
			}},
		{Name: path + ".lora_B.weight", Shape: []int{out, n * r}, Param: s.layers[0].b,
			Pack: func() []float32 {
				v := make([]float32, out*n*r)
				s.eachB(func(at int, x *float32) { v[at] = *x })
				return v
			},
			Unpack: func(v []float32) { s.eachB(func(at int, x *float32) { *x = v[at] }) }},
	}
}

// eachB calls f for every value of the experts' B, with its place in PEFT's lora_B.
func (s *expertStack) eachB(f func(at int, x *float32)) {
	n := len(s.layers)
	for e, l := range s.layers {
		b := op.Data(l.b)
		for o := range b.Rows {
			row := b.Row(o)
			for i := range row {
				f(o*n*b.Cols+i*n+e, &row[i])
			}
		}
	}
}

// validateParameters says which settings cannot go with target_parameters.
func (c *LoRA) validateParameters() error {
	switch {
	case len(c.TargetParameters) == 0:
		return nil
	case slices.Contains(c.TargetParameters, ""):
		return fmt.Errorf("target_parameters holds an empty name")
	case c.Dropout > 0:
		return ofKind(ErrUnsupported, fmt.Errorf("target_parameters with lora_dropout %g; as in PEFT, want 0", c.Dropout))
	case c.LoRABias || c.Init != InitDefault && c.Init != InitRandom && c.Init != InitGaussian:
		return ofKind(ErrUnsupported, fmt.Errorf("target_parameters with lora_bias %t and init_lora_weights %q; want false, and true, false or gaussian", c.LoRABias, c.Init))
	}
	return nil
}
