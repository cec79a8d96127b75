package model

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/spagotune/spagotune/internal/golden"
	"github.com/spagotune/spagotune/op"
)

// dropoutCase is a case of testdata/golden/dropout.json: the loss of a golden model in training, with one key of its config set.
type dropoutCase struct {
	Model, Key      string
	Rate            float64
	Passes          int
	Mean, Deviation float64
}

// TestConfigDropout compares the mean and the deviation of many passes' losses with transformers'.
func TestConfigDropout(t *testing.T) {
	passes := 200
	if testing.Short() {
		passes = 40
	}
	var cases []dropoutCase
	folder := filepath.Join(golden.Repository(t), "testdata", "golden")
	golden.JSON(t, filepath.Join(folder, "dropout.json"), &cases)
	for _, c := range cases {
		t.Run(c.Model+"/"+c.Key, func(t *testing.T) {
			dir := withKey(t, filepath.Join(folder, "models", c.Model), c.Key, c.Rate)
			m, err := Load(t.Context(), dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			b := readGolden(t, golden.Open(t, filepath.Join(dir, "io.safetensors")), m.Head().Kind)
			mean, deviation := lossesInTraining(t, m, b.Batch, passes)
			// Five standard errors: of both means, and of a deviation, about σ/√(2n).
			if bound := 5 * c.Deviation * math.Sqrt(1/float64(passes)+1/float64(c.Passes)); math.Abs(mean-c.Mean) > bound {
				t.Errorf("mean loss %.5f, want %.5f ± %.5f", mean, c.Mean, bound)
			}
			if bound := 5 * math.Sqrt(0.5/float64(passes)+0.5/float64(c.Passes)); math.Abs(math.Log(deviation/c.Deviation)) > bound {
				t.Errorf("deviation %.5f, want %.5f within a factor of %.2f", deviation, c.Deviation, math.Exp(bound))
			}
		})
	}
}

// withKey is a copy of a golden model's folder with one key of config.json set.
func withKey(t *testing.T, from, key string, value float64) string {
	dir := t.TempDir()
	for _, f := range []string{"model.safetensors", "io.safetensors", "config.json"} {
		raw, err := os.ReadFile(filepath.Join(from, f))
		if err != nil {
			t.Fatal(err)
		}
		if f == "config.json" {
			var config map[string]any
			if err := json.Unmarshal(raw, &config); err != nil {
				t.Fatal(err)
			}
			config[key] = value
			if raw, err = json.Marshal(config); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, f), raw, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// lossesInTraining runs passes with dropout and returns the mean of their losses and its deviation.
func lossesInTraining(t *testing.T, m *Model, b *Batch, passes int) (mean, deviation float64) {
	sum, squares := 0.0, 0.0
	for seed := range passes {
		p := &op.Pass{Train: true, Seed: uint64(seed) * 0x9e3779b97f4a7c15, Regularization: op.Regularization{ModelDropout: true}}
		losses, err := m.Loss(p, b)
		if err != nil {
			t.Fatal(err)
		}
		loss, n := 0.0, op.Matrix(losses).Rows
		for _, v := range op.Matrix(losses).Data {
			loss += float64(v) / float64(n)
		}
		p.Release()
		sum += loss
		squares += loss * loss
	}
	n := float64(passes)
	mean = sum / n
	return mean, math.Sqrt((squares/n - mean*mean) * n / (n - 1))
}
