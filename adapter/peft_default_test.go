package adapter

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/model"
)

// TestPEFTTargets compares the tables with PEFT's, for the architectures that there are.
func TestPEFTTargets(t *testing.T) {
	var all map[string]map[string]struct {
		Targets     json.RawMessage `json:"target_modules"`
		FeedForward []string        `json:"feedforward_modules"`
	}
	golden.JSON(t, "../testdata/golden/peft_targets.json", &all)
	for _, name := range Methods() {
		r := methods[name]
		want, ok := all[r.PEFTType]
		if !ok { // a method that PEFT does not have
			want = all["LORA"]
		}
		known := r.PEFTTargets
		if known == nil {
			known = peftTargets
		}
		for _, modelType := range model.Architectures() {
			names, has := known[modelType]
			if _, there := want[modelType]; has != there {
				t.Errorf("%s: model_type %s has a default: %t, with PEFT: %t", name, modelType, has, there)
				continue
			}
			if !has {
				continue
			}
			outputs, inputs, _ := strings.Cut(names, "|")
			var targets []string
			if err := json.Unmarshal(want[modelType].Targets, &targets); err != nil {
				t.Fatal(err)
			}
			if got := strings.Fields(outputs + inputs); !sameNames(got, targets) {
				t.Errorf("%s: %s has %v, want %v", name, modelType, got, targets)
			}
			if got := strings.Fields(inputs); !sameNames(got, want[modelType].FeedForward) {
				t.Errorf("%s: %s has feed-forward modules %v, want %v", name, modelType, got, want[modelType].FeedForward)
			}
		}
	}
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func TestPEFTDefault(t *testing.T) {
	m := tinyModel(t, true)
	for name, want := range map[string]string{"lora": "q_proj v_proj", "ia3": "k_proj v_proj down_proj"} {
		method, err := New(name, map[string]any{"target_modules": "peft-default"})
		if err != nil {
			t.Fatal(err)
		}
		a, err := Attach(t.Context(), m, name, method, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(a.Method.Settings().TargetModules.List, " "); got != want {
			t.Errorf("%s: target_modules are %q, want %q", name, got, want)
		}
		if got, n := len(a.Layers()), len(strings.Fields(want))*3; got != n {
			t.Errorf("%s: %d layers, want %d", name, got, n)
		}
		if ia3, ok := a.Method.(*IA3); ok && !slices.Equal(ia3.FeedForward.List, []string{"down_proj"}) {
			t.Errorf("feedforward_modules are %v", ia3.FeedForward)
		}
		a.Detach()
	}
	m.ConfigJSON = []byte(`{"model_type": "albert"}`)
	_, err := Attach(t.Context(), m, "a", &LoRA{Common: Common{TargetModules: PEFTDefault}}, 1)
	if !errors.Is(err, ErrNoMatch) || !strings.Contains(err.Error(), `PEFT has no default with model_type "albert", but with bart, bert`) {
		t.Errorf("got %v", err)
	}
}
