package finetune

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spagotune/spagotune/internal/ranktest"
	"github.com/spagotune/spagotune/model"
	"github.com/spagotune/spagotune/op"
	"github.com/spagotune/spagotune/optim"
)

func TestShareOut(t *testing.T) {
	for name, c := range map[string]struct {
		bytes, owners []int
		n             int
		want          []int
	}{
		"one":       {[]int{3, 1}, []int{-1, -1}, 1, []int{0, 0}},
		"even":      {[]int{1, 5, 2, 4}, []int{-1, -1, -1, -1}, 2, []int{0, 0, 1, 1}},
		"few":       {[]int{7}, []int{-1}, 3, []int{0}},
		"some kept": {[]int{9, 4, 4, 1}, []int{1, -1, -1, -1}, 2, []int{1, 0, 0, 0}},
	} {
		if shareOut(c.bytes, c.owners, c.n); !slices.Equal(c.owners, c.want) {
			t.Errorf("%s: owners %v, want %v", name, c.owners, c.want)
		}
	}
}

// shardedSteps trains all parameters for some steps, in one process where r is zero, and writes the optimizer's whole state to a file.
func shardedSteps(t *testing.T, r ranktest.Rank, rule optim.Rule, to string) (*Trainer, error) {
	t.Helper()
	o := TrainerOptions{Optimizer: rule, WeightDecay: 0.1, MaxGradNorm: 0.5, MaxTokensPerMicroBatch: 10, Seed: 3}
	if r.Loopback != nil {
		o.Ranks = r
	}
	tr := trainerWith(t, smallConfig, "full", nil, o)
	for i := range 3 {
		if _, err := tr.Step(t.Context(), rowsOf(9, 8, 7, 9, 6, 8, 9), i, 0.01); err != nil {
			return nil, err
		}
	}
	var parts []string
	if r.Loopback != nil {
		for i := 1; i < r.Size(); i++ {
			parts = append(parts, fmt.Sprint(to, i))
		}
		if r.Rank() > 0 {
			return tr, errors.Join(tr.Optimizer.Save(parts[r.Rank()-1]), tr.shards.ranks.Allgather(make([]byte, r.Size()), make([]byte, 1)))
		}
		if err := tr.shards.ranks.Allgather(make([]byte, r.Size()), make([]byte, 1)); err != nil {
			return nil, err
		}
	}
	return tr, tr.Optimizer.Save(to, parts...)
}

func sameParams(a, b []model.Param) bool {
	return slices.EqualFunc(a, b, func(a, b model.Param) bool { return slices.Equal(op.Data(a.Param).Data, op.Data(b.Param).Data) })
}

// With every optimizer, ranks that each keep a part of the state have the parameters of one process, and together its state.
func TestOptimizersOnRanks(t *testing.T) {
	for _, name := range optim.Names() {
		t.Run(name, func(t *testing.T) {
			settings := optim.Settings{Optim: name, AdamBeta1: 0.9, AdamBeta2: 0.99, AdamEpsilon: 1e-8}
			if name == "sgd" {
				settings.OptimArgs = "momentum=0.9,nesterov=true"
			}
			rule, err := optim.NewRule(settings)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			one, err := shardedSteps(t, ranktest.Rank{}, rule, filepath.Join(dir, "one"))
			if err != nil {
				t.Fatal(err)
			}
			for _, size := range []int{2, 3} {
				to := filepath.Join(dir, fmt.Sprint("ranks", size))
				state := make([]int, size)
				_, errs := ranktest.Run(size, func(r ranktest.Rank) error {
					tr, err := shardedSteps(t, r, rule, to)
					if err == nil && !sameParams(tr.Params, one.Params) {
						t.Errorf("rank %d of %d: other parameters than one process's", r.Rank(), size)
					}
					if err == nil {
						state[r.Rank()] = tr.Optimizer.StateBytes()
					}
					return err
				})
				if err := errors.Join(errs...); err != nil {
					t.Fatal(err)
				}
				all := 0
				for _, n := range state {
					all += n
				}
				if whole := one.Optimizer.StateBytes(); all != whole || slices.Max(state) > 2*whole/size {
					t.Errorf("%d ranks keep %v bytes of state, one process %d", size, state, whole)
				}
				got, e1 := os.ReadFile(to)
				want, e2 := os.ReadFile(filepath.Join(dir, "one"))
				if err := errors.Join(e1, e2); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d ranks save another state than one process (%v)", size, err)
				}
			}
		})
	}
}

// Parameters that stay when others are replaced keep their owner, since that has their state.
func TestOwnersStay(t *testing.T) {
	param := func(n int) model.Param { return model.Param{Param: op.NewParam(make([]float32, n), 1, n)} }
	ranks := ranktest.New(2)
	s := shards{ranks: ranks[0]}
	none := func(model.Param) int { return 0 }
	a, b, c := param(9), param(4), param(3)
	s.assign([]model.Param{a, b, c}, none)
	if !s.owns(a) || s.owns(b) || s.owns(c) {
		t.Fatalf("owners %v", s.owners)
	}
	d := param(20)
	s.assign([]model.Param{d, b, c}, none)
	if !s.owns(d) || s.owns(b) || s.owns(c) {
		t.Errorf("owners %v, want rank 1 to keep what it has", s.owners)
	}
}
