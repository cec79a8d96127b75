package adapter

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/spagotune/spagotune/model"
)

// endingContext ends after it has been asked left times.
type endingContext struct {
	context.Context
	left atomic.Int64
}

func (c *endingContext) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// ending is a context that ends after n looks at it.
func ending(t *testing.T, n int) context.Context {
	c := &endingContext{Context: t.Context()}
	c.left.Store(int64(n))
	return c
}

// TestContext: what takes long stops between two layers when its context ends, and then nothing has changed.
func TestContext(t *testing.T) {
	m, other := tinyModel(t, true), tinyModel(t, true)
	a := mustAttach(t, m, "a", mustNew(t, "pissa", map[string]any{"r": 1}))
	stirAll(a, 1)
	dir := t.TempDir()
	if err := a.Save(dir); err != nil {
		t.Fatal(err)
	}
	bits, params, logits := weightBits(m), a.Params(), run(t, m, "a")
	for _, tt := range []struct {
		name string
		f    func(ctx context.Context) error
	}{
		{"Attach", func(ctx context.Context) error {
			_, err := Attach(ctx, m, "b", mustNew(t, "pissa", map[string]any{"r": 1}), 1)
			return err
		}},
		{"Load", func(ctx context.Context) error {
			_, err := Load(ctx, m, dir, "b")
			return err
		}},
		{"Merge", a.Merge},
		{"Restart", func(ctx context.Context) error { return a.Restart(ctx, mustNew(t, "pissa", map[string]any{"r": 1}), 1) }},
		{"Spectra", func(ctx context.Context) error {
			_, err := a.Spectra(ctx, 1)
			return err
		}},
		{"DiffSpectra", func(ctx context.Context) error {
			_, err := DiffSpectra(ctx, m, other, 1)
			return err
		}},
	} {
		looks := []int{0, 3}
		if tt.name == "Restart" {
			looks = append(looks, len(a.layers)+3) // while the new adapters are made
		}
		for _, n := range looks {
			if err := tt.f(ending(t, n)); !errors.Is(err, context.Canceled) {
				t.Errorf("%s after %d layers: got %v", tt.name, n, err)
			}
		}
		if weightBits(m) != bits || !slices.Equal(a.Params(), params) || !slices.Equal(run(t, m, "a"), logits) {
			t.Errorf("%s: the model or the adapter has changed", tt.name)
		}
		m.Linears(func(l *model.Linear) {
			if l.Adapter("b") != nil {
				t.Fatalf("%s: %s has an adapter", tt.name, l.Path())
			}
		})
		if a.restores != nil {
			t.Errorf("%s: it is merged", tt.name)
		}
	}
}
