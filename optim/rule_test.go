package optim

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
)

// settings are Trainer's defaults.
func settings(name, args string) Settings {
	return Settings{Optim: name, AdamBeta1: 0.9, AdamBeta2: 0.999, AdamEpsilon: 1e-8, OptimArgs: args}
}

// TestConformance holds every registered optimizer to what Optimizer promises: its steps lead down a hill, a parameter without a
// gradient stays, a new one begins without state, an LRScale is a rate, and the state has the size that it says.
func TestConformance(t *testing.T) {
	if want := []string{"adafactor", "adamw_8bit", "adamw_torch", "lion_32bit", "sgd"}; !slices.Equal(Names(), want) {
		t.Errorf("registered are %v, want %v", Names(), want)
	}
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			rule, err := NewRule(settings(name, ""))
			if err != nil {
				t.Fatal(err)
			}
			param := func(name string, rows, cols int) model.Param {
				v := make([]float32, rows*cols)
				for i := range v {
					v[i] = float32(i%7) - 2.5
				}
				return model.Param{Name: name, Param: op.NewParam(v, rows, cols)}
			}
			large, small, idle := param("large", 81, 53), param("small", 1, 5), param("idle", 3, 2)
			o := New(rule, []model.Param{large, small, idle}, Options{})
			allocated := 0
			for _, states := range o.states {
				for _, s := range states {
					allocated += 4*len(s.Float32) + len(s.Uint8)
				}
			}
			if n := o.StateBytes(); n != allocated {
				t.Errorf("the state has %d bytes, StateBytes is %d", allocated, n)
			}
			descend(o, large, small)
			if got, want := op.Data(idle.Param).Data, op.Data(param("idle", 3, 2).Param).Data; !slices.Equal(got, want) {
				t.Errorf("a parameter without a gradient moved to %v", got)
			}
			for _, p := range []model.Param{large, small} {
				before, after := height(op.Data(param(p.Name, op.Data(p.Param).Rows, op.Data(p.Param).Cols).Param).Data), height(op.Data(p.Param).Data)
				if after > 0.9*before {
					t.Errorf("%s: the height is %g, at first %g", p.Name, after, before)
				}
			}
			fresh, alone := param("fresh", 70, 60), param("fresh", 70, 60)
			if n := o.Restart([]model.Param{fresh, large}); n != 4200 {
				t.Errorf("%d values begin again, want 4200", n)
			}
			descend(o, fresh)
			descend(New(rule, []model.Param{alone}, Options{}), alone)
			if !slices.Equal(op.Data(fresh.Param).Data, op.Data(alone.Param).Data) {
				t.Error("after a restart a new parameter does not move as in a new optimizer")
			}
			scaled, faster := param("scaled", 70, 60), param("faster", 70, 60)
			scaled.LRScale = 4
			New(rule, []model.Param{scaled}, Options{WeightDecay: 0.1}).stepDown(0.01)
			New(rule, []model.Param{faster}, Options{WeightDecay: 0.1}).stepDown(0.04)
			if !slices.Equal(op.Data(scaled.Param).Data, op.Data(faster.Param).Data) {
				t.Error("an LRScale of 4 is not four times the rate")
			}
		})
	}
}

// height is Σw²/2, whose gradient is w.
func height(w []float32) float64 {
	sum := 0.0
	for _, v := range w {
		sum += float64(v) * float64(v) / 2
	}
	return sum
}

// descend takes ten steps down from the parameters' height.
func descend(o *Optimizer, params ...model.Param) {
	for range 10 {
		for _, p := range params {
			copy(op.Grad(p.Param).Data, op.Data(p.Param).Data)
		}
		o.Step(0.05)
		o.ZeroGrad()
	}
}

// stepDown takes one step of all parameters.
func (o *Optimizer) stepDown(lr float64) {
	for _, p := range o.params {
		copy(op.Grad(p.Param).Data, op.Data(p.Param).Data)
	}
	o.Step(lr)
}

// TestNewRule: what is wrong with names and optim_args is said, with what would be right.
func TestNewRule(t *testing.T) {
	for _, tt := range []struct{ name, args, want string }{
		{"", "", ""},
		{"sgd", "momentum=0.9, dampening = 0.1", ""},
		{"sgd", " ", ""},
		{"adamw_8bits", "", `optim is "adamw_8bits"; did you mean adamw_8bit?`},
		{"muon", "", "known are adafactor, adamw_8bit, adamw_torch, lion_32bit, sgd"},
		{"paged_adamw_8bit", "", "write adamw_8bit, which is the same here"},
		{"adamw_torch_fused", "", "write adamw_torch, which is the same here"},
		{"sgd", "momentun=0.9", `sgd has no key "momentun"; did you mean momentum?`},
		{"sgd", "weight_decay=0.1", `sgd has no key "weight_decay"; known are dampening, momentum, nesterov`},
		{"sgd", "momentum", "is not of the form key=value"},
		{"sgd", "momentum=1,momentum=2", "each key once"},
		{"sgd", "momentum=-1", `momentum is "-1"; want a number, 0 or more`},
		{"sgd", "momentum=x", "want a number"},
		{"sgd", "nesterov=perhaps,momentum=1", "want true or false"},
		{"sgd", "nesterov=true", "it needs a momentum"},
		{"sgd", "nesterov=true,momentum=0.9,dampening=0.1", "no dampening"},
		{"adafactor", "scale_parameter=true", "adafactor has no settings of its own; leave scale_parameter out"},
	} {
		_, err := NewRule(settings(tt.name, tt.args))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%q %q: %v, want %q", tt.name, tt.args, err, tt.want)
		}
	}
	for other, name := range otherNames {
		if registry[name] == nil || registry[other] != nil {
			t.Errorf("%s stands for %s, which is not registered, or is registered itself", other, name)
		}
	}
}

// FuzzNewRule: no optim_args panic.
func FuzzNewRule(f *testing.F) {
	f.Add("sgd", "momentum=0.9,nesterov=true")
	f.Add("adamw_8bit", "a=b")
	f.Fuzz(func(t *testing.T, name, args string) {
		if rule, err := NewRule(settings(name, args)); err == nil && rule == nil {
			t.Errorf("%q %q: neither a rule nor an error", name, args)
		}
	})
}

// TestLoadRefuses: a state of another optimizer, or of other parameters, is refused.
func TestLoadRefuses(t *testing.T) {
	of := func(name string, rows int) *Optimizer {
		rule, err := NewRule(settings(name, ""))
		if err != nil {
			t.Fatal(err)
		}
		return New(rule, []model.Param{{Name: "w", Param: op.NewParam(make([]float32, rows*100), rows, 100)}}, Options{})
	}
	path := t.TempDir() + "/optimizer.safetensors"
	if err := of("adamw_8bit", 50).Save(path); err != nil {
		t.Fatal(err)
	}
	if err := of("adamw_8bit", 50).Load(path); err != nil {
		t.Error(err)
	}
	for _, o := range []*Optimizer{of("adamw_torch", 50), of("adamw_8bit", 51), of("adamw_8bit", 10), of("lion_32bit", 50)} {
		if err := o.Load(path); err == nil || !strings.Contains(err.Error(), "is missing, or does not have") {
			t.Errorf("%T: %v", o.rule, err)
		}
	}
}

// TestEmbeddingsStay32Bit: as in Trainer, tables of embeddings keep moments of 32 bits.
func TestEmbeddingsStay32Bit(t *testing.T) {
	for _, tt := range []struct {
		rows, cols int
		embedding  bool
		want       int
	}{{100, 50, false, 2*5000 + 2*4*20}, {100, 50, true, 8 * 5000}, {63, 65, false, 8 * 4095}, {64, 64, false, 2*4096 + 2*4*16}} {
		if n := StateBytes(AdamW8bit{}.State(tt.rows, tt.cols, tt.embedding)); n != tt.want {
			t.Errorf("%+v: %d bytes", tt, n)
		}
	}
}

// TestQuantizer: a code is the one whose value is nearest, whatever the value, and its own value gives it again.
func TestQuantizer(t *testing.T) {
	for name, q := range map[string]*quantizer{"signed": signed(), "unsigned": unsigned()} {
		for c, v := range q.values {
			if got := q.code(v); int(got) != c {
				t.Errorf("%s: the value of code %d has code %d", name, c, got)
			}
		}
		for i := range 200_001 {
			x := float32(i-100_000) / 100_000
			if name == "unsigned" {
				x = max(x, -x)
			}
			for _, x := range []float32{x, x * x * x, x * x * x * x * x} {
				c := int(q.code(x))
				to := func(c int) float64 { return math.Abs(float64(q.values[c]) - float64(x)) }
				d := to(c) - 1e-7 // bounds are rounded
				if c > 0 && to(c-1) < d || c < 255 && to(c+1) < d {
					t.Fatalf("%s: %g has code %d, whose value is %g", name, x, c, q.values[c])
				}
			}
		}
	}
	codes := []uint8{1, 2, 3}
	if s := signed().encode(codes, make([]float32, 3)); s != 0 || !slices.Equal(codes, []uint8{0, 0, 0}) {
		t.Errorf("zeros have codes %v and scale %g", codes, s)
	}
}
