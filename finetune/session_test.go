package finetune

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spagotune/spagotune/infer"
	"github.com/spagotune/spagotune/model"
)

// TestRunOnLoadedModel checks that a run on a model that is loaded already gives the weights of a run that loads it, and that
// the loaded model computes the same all the while.
func TestRunOnLoadedModel(t *testing.T) {
	for name, method := range map[string]string{"classify": "lora", "tokens": "dora", "mlm": "full", "qa": "pissa"} {
		t.Run(name, func(t *testing.T) {
			h := headCases[name]
			base := h.base(t)
			session, err := infer.Open(t.Context(), base, "")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = session.Close() }()
			probe := []*model.Batch{{IDs: []int32{2, 8, 9, 3}}}
			logits := func() []float32 {
				rows, err := infer.Logits(t.Context(), session.Model, "", probe)
				if err != nil {
					t.Error(err)
				}
				return slices.Concat(rows...)
			}
			before := logits()
			loaded, onSession := h.config(t, base, 6), h.config(t, "", 6)
			for _, c := range []*Config{&loaded, &onSession} {
				c.Task.Data, c.Method.Name = loaded.Task.Data, method
				if method == "full" {
					c.Method.Settings = nil
				}
			}
			if _, err := Run(t.Context(), loaded, quiet()); err != nil {
				t.Fatal(err)
			}
			var calls sync.WaitGroup
			done := make(chan struct{})
			calls.Go(func() { // the model answers meanwhile
				for {
					select {
					case <-done:
						return
					default:
						if !slices.Equal(logits(), before) {
							t.Error("the loaded model computes otherwise while a run uses it")
							return
						}
					}
				}
			})
			o := quiet()
			o.Session = session
			_, err = Run(t.Context(), onSession, o)
			close(done)
			calls.Wait()
			if err != nil {
				t.Fatal(err)
			}
			w1, _ := content(t, loaded)
			w2, _ := content(t, onSession)
			if !bytes.Equal(w1, w2) {
				t.Error("the weights are not those of a run that loads the model")
			}
			if !slices.Equal(logits(), before) {
				t.Error("the run has changed the loaded model")
			}
		})
	}
}

func TestRunRefusesSessionWithAdapter(t *testing.T) {
	h := headCases["classify"]
	base := h.base(t)
	c := h.config(t, base, 1)
	if _, err := Run(t.Context(), c, quiet()); err != nil {
		t.Fatal(err)
	}
	session, err := infer.Open(t.Context(), base, c.Save.OutputDir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = session.Close() }()
	o := quiet()
	o.Session = session
	if _, err := Run(t.Context(), h.config(t, "", 1), o); err == nil || !strings.Contains(err.Error(), "open the base alone") {
		t.Errorf("got %v", err)
	}
}
