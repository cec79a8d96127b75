package model

import (
	"path/filepath"
	"testing"

	"github.com/spagotune/spagotune/checkpoint"
	"github.com/spagotune/spagotune/head"
	"github.com/spagotune/spagotune/internal/golden"
)

// TestOtherHeadsAreKept: tensors of a head that the model does not have are saved as they were read, unless the options asked
// for another head.
func TestOtherHeadsAreKept(t *testing.T) {
	for _, c := range golden.Cases(t, "models") {
		var config struct {
			ModelType string `json:"model_type"`
		}
		golden.JSON(t, c.Path("config.json"), &config)
		if config.ModelType != "bert" {
			continue
		}
		body, err := Load(t.Context(), c.Dir, Options{Head: head.Config{Kind: head.FeatureExtraction}})
		if err != nil {
			t.Fatal(err)
		}
		if len(body.UnexpectedKeys) == 0 {
			t.Errorf("%s: for feature extraction nothing is left of its head", c.Name)
		}
		body.Options.Head = head.Config{} // as if its config.json had said so
		dir := filepath.Join(t.TempDir(), "body")
		if err := body.Save(t.Context(), dir, "", ""); err != nil {
			t.Fatal(err)
		}
		saved, err := checkpoint.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range body.UnexpectedKeys {
			if _, ok := saved.Get(name); !ok {
				t.Errorf("%s: %s was lost", c.Name, name)
			}
		}
		_ = saved.Close()
	}
}
