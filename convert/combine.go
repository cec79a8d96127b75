package convert

import (
	"context"
	"errors"
	"fmt"

	"github.com/spagotune/spagotune/adapter"
	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/internal/folder"
)

// CombineOptions say which adapters become one.
type CombineOptions struct {
	// Model is the base of all of them: a folder, a GGUF file or "embedded".
	Model string
	// Adapters are their folders with their weights.
	Adapters []WeightedFolder
	// Output is the folder to write, which must not exist, or be empty.
	Output string
	adapter.CombineOptions
}

// WeightedFolder is an adapter's folder with its weight in a combination.
type WeightedFolder struct {
	Dir    string
	Weight float64
}

// CombineReport describes a combined adapter.
type CombineReport struct {
	Output string `json:"output"`
	Method string `json:"method"`
	Layers int    `json:"layers"`
	// Error is the largest error of a layer, ‖Σ w·ΔW − ΔW'‖/‖Σ w·ΔW‖ by the Frobenius norm, and Worst that layer.
	Error float64 `json:"error"`
	Worst string  `json:"worst_layer,omitempty"`
	// Notes say what is odd about the model and the adapters, such as that one was trained on another base.
	Notes []string `json:"notes,omitempty"`
}

// Combine writes several adapters of one base as one (see adapter.Combine).
func Combine(ctx context.Context, o CombineOptions) (*CombineReport, error) {
	r, err := combine(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("combine: %w", err)
	}
	return r, nil
}

func combine(ctx context.Context, o CombineOptions) (*CombineReport, error) {
	if err := folder.MustBeNew(o.Output); err != nil {
		return nil, err
	}
	if len(o.Adapters) < 2 {
		return nil, errors.New("name at least two adapters")
	}
	s, err := infer.Open(ctx, o.Model, o.Adapters[0].Dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	parts, err := loadParts(ctx, s, o.Adapters)
	if err != nil {
		return nil, err
	}
	made, err := adapter.Combine(ctx, s.Model, "combined", parts, o.CombineOptions)
	if err != nil {
		return nil, err
	}
	r := &CombineReport{Output: o.Output, Method: adapter.MethodName(made.Method), Layers: len(made.Layers()), Notes: s.Model.Warnings}
	for i, p := range parts[1:] { // the session has warned of the first
		if p.Adapter.OtherBase {
			r.Notes = append(r.Notes, o.Adapters[i+1].Dir+": "+p.Adapter.BaseWarning())
		}
	}
	if r.Error, r.Worst, err = adapter.CombinationError(parts, made); err != nil {
		return nil, err
	}
	return r, writeAdapter(o.Output, made, s.Setup)
}

// loadParts puts the adapters on the model, each under the name of its folder; one that comes again gets a number too.
func loadParts(ctx context.Context, s *infer.Session, folders []WeightedFolder) ([]adapter.Weighted, error) {
	var parts []adapter.Weighted
	names := map[string]bool{}
	for i, f := range folders {
		setup, err := infer.ReadAdapterSetup(f.Dir)
		if err == nil && setup.Kind != s.Setup.Kind {
			err = fmt.Errorf("its head is for %s, that of %s for %s", setup.Kind, folders[0].Dir, s.Setup.Kind)
		}
		name := f.Dir
		if names[name] {
			name = fmt.Sprintf("%s (%d)", name, i+1)
		}
		names[name] = true
		var a *adapter.Adapter
		if err == nil {
			a, err = adapter.Load(ctx, s.Model, f.Dir, name)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Dir, err)
		}
		parts = append(parts, adapter.Weighted{Adapter: a, Weight: f.Weight})
	}
	return parts, nil
}
