package adapter

import (
	"errors"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
)

// TestErrorKinds: each error is of its kind and of no other, and names the package once.
func TestErrorKinds(t *testing.T) {
	m := tinyModel(t, true)
	a := mustAttach(t, m, "a", smallLoRA())
	attach := func(method Method) error {
		_, err := Attach(t.Context(), m, "b", method, 1)
		return err
	}
	parsed := func(change string) error {
		_, err := Parse(peftConfig(t, change))
		return err
	}
	made := func(name string, settings map[string]any) error {
		_, err := New(name, settings)
		return err
	}
	_, named := Attach(t.Context(), m, "a", smallLoRA(), 1)
	_, copied := Attach(t.Context(), m, "c", &LoRA{Common: Common{TargetModules: Suffixes("up_proj"), ModulesToSave: stringList{"lm_head"}}}, 1)
	if copied != nil {
		t.Fatal(copied)
	}
	_, again := Attach(t.Context(), m, "c", &LoRA{Common: Common{TargetModules: Suffixes("down_proj"), ModulesToSave: stringList{"lm_head"}}}, 1)
	_, rate := SuggestLR("lroa", 8)
	kinds := []error{ErrUnknownMethod, ErrUnsupported, ErrNoMatch, ErrNameTaken, ErrMerged}
	if err := a.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, spectra := a.Spectra(t.Context(), 1)
	for _, tt := range []struct {
		err, kind error
	}{
		{made("mra", nil), ErrUnknownMethod},
		{attach(&plainMethod{}), ErrUnknownMethod},
		{rate, ErrUnknownMethod},
		{parsed(`{"peft_type": "C3A"}`), ErrUnsupported},
		{parsed(`{"use_frobnicate": true}`), ErrUnsupported},
		{parsed(`{"bias": "some"}`), ErrUnsupported},
		{parsed(`{"init_lora_weights": "corda"}`), ErrUnsupported},
		{parsed(`{"use_mora": true, "mora_type": 5}`), ErrUnsupported},
		{made("mora", map[string]any{"init_lora_weights": "gaussian"}), ErrUnsupported},
		{attach(&IA3{Common: Common{LayersToTransform: intList{1}}}), ErrUnsupported},
		{attach(&LoRA{Common: Common{TargetModules: Suffixes("qproj")}}), ErrNoMatch},
		{attach(&LoRA{Common: Common{TargetModules: Suffixes("q_proj"), LayersToTransform: intList{7}}}), ErrNoMatch},
		{attach(&LoRA{Common: Common{TargetModules: Suffixes("q_proj")}, RankPattern: Pattern[int]{{"up_proj", 2}}}), ErrNoMatch},
		{attach(&AdaLoRA{RankPattern: map[string][]bool{"x.lora_E": {true}}}), ErrNoMatch},
		{named, ErrNameTaken},
		{again, ErrNameTaken},
		{a.Merge(t.Context()), ErrMerged},
		{a.Restart(t.Context(), smallLoRA(), 1), ErrMerged},
		{spectra, ErrMerged},
		{made("lora", map[string]any{"r": 0}), nil},
	} {
		for _, kind := range kinds {
			if errors.Is(tt.err, kind) != errors.Is(tt.kind, kind) {
				t.Errorf("%v: is %v: %t", tt.err, kind, errors.Is(tt.err, kind))
			}
		}
		if tt.err == nil || !errors.Is(tt.err, ErrMerged) && strings.Count(tt.err.Error(), "adapter: ") > 1 {
			t.Errorf("the text is %v", tt.err)
		}
	}
}

// TestMismatchError: the lists have what the text says.
func TestMismatchError(t *testing.T) {
	dir := savedAdapter(t, smallLoRA())
	other := strings.Replace(qA, "layers.0", "layers.1", 1)
	nan := qB
	rewrite(t, dir, func(all map[string]checkpoint.Tensor) {
		delete(all, qA)
		all["x"] = checkpoint.F32("", []float32{1}, 1)
		all[other] = checkpoint.F32("", make([]float32, 42), 2, 21)
		v := make([]float32, all[nan].Shape[0]*2)
		v[3] = float32(math.NaN())
		all[nan] = checkpoint.F32("", v, all[nan].Shape...)
	})
	_, err := Load(t.Context(), tinyModel(t, true), dir, "a")
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) {
		t.Fatalf("got %v", err)
	}
	want := &MismatchError{Missing: []string{qA}, Unexpected: []string{"x"}, Shape: []string{other + " has shape [2 21], want [2 20]"}, Invalid: []string{nan + " holds NaN"}}
	if !reflect.DeepEqual(mismatch, want) {
		t.Errorf("got %+v, want %+v", mismatch, want)
	}
	if want := other + " has shape [2 21], want [2 20]; " + nan + " holds NaN; missing " + qA + "; unexpected x"; !strings.HasSuffix(err.Error(), "this model: "+want) {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := Load(t.Context(), tinyModel(t, true), filepath.Join(dir, "no"), "a"); errors.As(err, &mismatch) {
		t.Errorf("no folder is a mismatch: %v", err)
	}
}
